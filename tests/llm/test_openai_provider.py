"""OpenAI's SDK against a real server that speaks chat completions and fails in every way."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homing.errors import MissingDependencyError
from homing.llm.dispatch import Limits, Wanted, ask_all
from homing.llm.ledger import Ledger
from homing.llm.openai import OpenAIProvider
from homing.llm.provider import (
    ChatAnswer,
    ChatRequest,
    ProviderError,
    RequestRefused,
    TransientFailure,
)
from homing.llm.testing import Faults, TestServer

ServerFactory = Callable[..., TestServer]
SCHEMA = {
    "type": "object",
    "properties": {"questions": {"type": "array", "items": {"type": "string"}}},
    "required": ["questions"],
}
PASSAGE = "Parents may take sixteen weeks of paid leave, beginning on the day of birth."
SYSTEM = "Write 2 questions that the passage answers."
SECRET = "sk-secret-of-the-test"


def request(passage: str = PASSAGE, **rest: object) -> ChatRequest:
    fields = {"schema": SCHEMA, "max_tokens": 256, **rest}
    return ChatRequest(SYSTEM, f"<passage>{passage}</passage>", **fields)  # type: ignore[arg-type]


def provider_of(server: TestServer, ledger: Ledger | None = None, **rest: object) -> OpenAIProvider:
    fields = {"base_url": server.url, "api_key": SECRET, "ledger": ledger, **rest}
    return OpenAIProvider("test", **fields)  # type: ignore[arg-type]


def ask(provider: OpenAIProvider, asked: ChatRequest | None = None) -> ChatAnswer:
    return asyncio.run(provider.ask(asked or request()))


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def test_an_answer_comes_with_what_the_server_counted(server_factory: ServerFactory) -> None:
    server = server_factory()
    answer = ask(provider_of(server))
    assert len(json.loads(answer.text)["questions"]) == 2
    assert answer.finish == "stop"
    assert (answer.input_tokens, answer.output_tokens) == (
        server.counts.input_tokens,
        server.counts.output_tokens,
    )
    assert answer.seconds > 0


@pytest.mark.parametrize(
    ("unsupported", "way", "n_requests"),
    [((), "json_schema", 1), (("json_schema",), "json_object", 2),
     (("json_schema", "json_object"), "text", 3)],
)  # fmt: skip
def test_how_a_server_takes_a_schema_is_found_out_once_and_remembered(
    server_factory: ServerFactory,
    ledger: Ledger,
    unsupported: tuple[str, ...],
    way: str,
    n_requests: int,
) -> None:
    server = server_factory(unsupported=unsupported)
    provider = provider_of(server, ledger)
    assert "?" in ask(provider).text
    assert server.counts.requests == n_requests
    ask(provider, request("Whoever is ill calls in by nine."))
    ask(provider_of(server, ledger), request("Rent is due on the first of the month."))
    assert server.counts.requests == n_requests + 2
    assert provider.manners.ways()["schema"] == way


def test_many_calls_at_once_find_it_out_together(
    server_factory: ServerFactory, ledger: Ledger
) -> None:
    server = server_factory(unsupported=("json_schema", "temperature"))
    provider = provider_of(server, ledger)

    async def all_at_once() -> list[ChatAnswer]:
        asked = [request(f"{PASSAGE} Rule {n}.", temperature=0.7) for n in range(64)]
        return await asyncio.gather(*map(provider.ask, asked))

    assert len(asyncio.run(all_at_once())) == 64
    assert server.counts.requests == 64 + 2


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_server_that_knows_one_name_of_the_limit_is_given_that(
    server_factory: ServerFactory, ledger: Ledger, name: str
) -> None:
    server = server_factory(unsupported=(name,))
    assert ask(provider_of(server, ledger)).finish == "stop"
    assert server.counts.requests <= 2


def test_a_server_that_takes_nothing_is_asked_in_plain_text(server_factory: ServerFactory) -> None:
    server = server_factory(unsupported=("json_schema", "json_object", "temperature", "max_tokens"))
    assert "?" in ask(provider_of(server, seed=7), request(temperature=0.7)).text


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate_limit_bare", "rate_limit"),
        ("error_500", "server"),
        ("error_503", "server"),
        ("error_529", "server"),
        ("cut", "connection"),
        ("drop", "connection"),
        ("malformed_json", "malformed"),
        ("empty_choices", "malformed"),
        ("junk_body", "malformed"),
    ],
)
def test_what_another_try_may_get_over_says_so(
    server_factory: ServerFactory, fault: str, kind: str
) -> None:
    provider = provider_of(server_factory(faults=Faults(script=[fault])))
    with pytest.raises(TransientFailure) as caught:
        ask(provider)
    assert caught.value.kind == kind
    assert caught.value.retry_after_s is None
    assert str(caught.value)
    assert ask(provider).finish == "stop"


def test_a_server_that_never_answers_is_a_timeout(server_factory: ServerFactory) -> None:
    provider = provider_of(server_factory(faults=Faults(script=["timeout"])), timeout_s=0.2)
    with pytest.raises(TransientFailure) as caught:
        ask(provider)
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize(("fault", "least"), [("rate_limit", 7.0), ("rate_limit_date", 5.5)])
def test_how_long_to_wait_is_read_from_the_reply(
    server_factory: ServerFactory, fault: str, least: float
) -> None:
    provider = provider_of(server_factory(faults=Faults(script=[fault]), retry_after_s=7.0))
    with pytest.raises(TransientFailure) as caught:
        ask(provider)
    assert caught.value.retry_after_s is not None
    assert least <= caught.value.retry_after_s <= 8.0


@pytest.mark.parametrize(
    ("fault", "finish"),
    [("truncated", "length"), ("refusal", "refusal"), ("content_filter", "refusal")],
)
def test_how_an_answer_ended_is_told(
    server_factory: ServerFactory, fault: str, finish: str
) -> None:
    provider = provider_of(server_factory(faults=Faults(script=[fault])))
    assert ask(provider).finish == finish


@pytest.mark.parametrize("fault", ["quota", "billing"])
def test_an_empty_account_stops_everything(server_factory: ServerFactory, fault: str) -> None:
    provider = provider_of(server_factory(faults=Faults(script=[fault])))
    with pytest.raises(ProviderError, match=r"nothing left to spend.*Add credit"):
        ask(provider)


def test_a_wrong_key_is_an_error_that_names_the_variable_and_not_the_key(
    server_factory: ServerFactory,
) -> None:
    provider = provider_of(server_factory(api_key="another"))
    with pytest.raises(ProviderError, match="does not accept the key in OPENAI_API_KEY") as caught:
        ask(provider)
    assert SECRET not in str(caught.value) + repr(caught.value) + repr(provider)
    keyless = OpenAIProvider("test", base_url=server_factory(api_key="another").url)
    with pytest.raises(ProviderError, match="wants a key, and OPENAI_API_KEY is not set"):
        ask(keyless)


def test_the_key_is_sent(server_factory: ServerFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f" {SECRET}\n")
    monkeypatch.setenv("OPENAI_BASE_URL", server_factory(api_key=SECRET).url)
    assert ask(OpenAIProvider("test")).finish == "stop"


def test_an_unknown_model_is_answered_with_those_that_there_are(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(models=[f"qwen{n:02}" for n in range(12)])
    with pytest.raises(ProviderError, match=r"no model test\. It has qwen00, .*qwen09 and 2 more"):
        ask(provider_of(server))
    with pytest.raises(ProviderError, match=r"no chat/completions for test.*--base-url"):
        ask(provider_of(server, base_url=server.root_url))


def test_where_ollama_lacks_a_model_the_command_that_gets_it_is_named(
    server_factory: ServerFactory,
) -> None:
    provider = provider_of(server_factory(models=["llama3.2:1b"]))
    provider.address = "localhost:11434"
    with pytest.raises(ProviderError, match=r"It has llama3\.2:1b\. .*: ollama pull test$"):
        ask(provider)


def test_a_request_that_is_too_long_is_refused_and_the_next_is_not(
    server_factory: ServerFactory,
) -> None:
    provider = provider_of(server_factory(faults=Faults(script=["too_long"] * 5)))
    for _ in range(5):
        with pytest.raises(RequestRefused, match="maximum context length"):
            ask(provider)
    assert ask(provider).finish == "stop"


def test_a_server_that_refuses_everything_is_given_up_with_its_own_words(
    server_factory: ServerFactory,
) -> None:
    provider = provider_of(server_factory())
    hopeless = request(schema=None)
    provider.model = ""
    for _ in range(2):
        with pytest.raises(RequestRefused, match="you must provide a model parameter"):
            ask(provider, hopeless)
    with pytest.raises(ProviderError, match=r"refuses every request: you must provide a model"):
        ask(provider, hopeless)


def test_where_no_server_is_the_address_is_named_after_some_tries(ledger: Ledger) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    provider = OpenAIProvider("test", base_url=f"http://127.0.0.1:{port}/v1", ledger=ledger)
    wanted = (Wanted(str(n), str(n), request(str(n))) for n in range(1000))
    with pytest.raises(ProviderError, match=rf"No server at 127\.0\.0\.1:{port} answers"):
        ask_all(
            provider,
            wanted,
            ledger,
            purpose="write",
            understand=lambda answer: True,
            limits=Limits(backoff_s=0.01),
        )


def test_hundreds_of_calls_through_faults_are_each_answered_and_paid_once(
    server_factory: ServerFactory, ledger: Ledger
) -> None:
    faults = ["error_500", "drop", "error_503", "rate_limit_bare", "empty_choices", "ok", "ok"]
    server = server_factory(faults=Faults(script=faults * 6), retry_after_s=0.0)
    provider = provider_of(server, ledger)
    wanted = [Wanted(str(n), str(n), request(f"{PASSAGE} Rule {n}.")) for n in range(200)]
    asked = ask_all(
        provider,
        wanted,
        ledger,
        purpose="write",
        understand=lambda answer: "?" in answer.text,
        # Which call meets which fault is chance; six faults in a row may meet one of 200.
        limits=Limits(backoff_s=0.005, max_tries=20),
    )
    assert (asked.n_answered, asked.n_failed) == (200, 0)
    assert ledger.spent().n_calls == 200
    assert (
        ask_all(provider, wanted, ledger, purpose="write", understand=lambda answer: True).n_found
        == 200
    )
    asyncio.run(provider.close())


def test_without_the_sdk_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'homing\[llm\]'"):
        OpenAIProvider("test", base_url="http://localhost:8000/v1")
