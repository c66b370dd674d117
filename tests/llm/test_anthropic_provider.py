"""Anthropic's SDK against a real server that speaks messages and fails in every way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from homing.errors import MissingDependencyError
from homing.llm.anthropic import AnthropicProvider
from homing.llm.dispatch import Wanted, ask_all
from homing.llm.ledger import Ledger
from homing.llm.provider import (
    ChatAnswer,
    ChatRequest,
    ProviderError,
    RequestRefused,
    TransientFailure,
)
from homing.llm.testing import Faults, TestServer

ServerFactory = Callable[..., TestServer]
PASSAGE = "Parents may take sixteen weeks of paid leave, beginning on the day of birth."
SYSTEM = "Write 2 questions that the passage answers."
SECRET = "sk-ant-secret-of-the-test"


def request(passage: str = PASSAGE, **rest: Any) -> ChatRequest:
    return ChatRequest(SYSTEM, f"<passage>{passage}</passage>", **{"max_tokens": 256, **rest})


def provider_of(server: TestServer, ledger: Ledger | None = None) -> AnthropicProvider:
    return AnthropicProvider("test", base_url=server.root_url, api_key=SECRET, ledger=ledger)


def ask(provider: AnthropicProvider, asked: ChatRequest | None = None) -> ChatAnswer:
    return asyncio.run(provider.ask(asked or request()))


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def test_an_answer_comes_with_what_the_server_counted(server_factory: ServerFactory) -> None:
    server = server_factory()
    answer = ask(provider_of(server), request(temperature=0.7))
    assert "?" in answer.text
    assert answer.finish == "stop"
    assert (answer.input_tokens, answer.output_tokens) == (
        server.counts.input_tokens,
        server.counts.output_tokens,
    )


@pytest.mark.parametrize(
    ("unsupported", "way"),
    [((), "output_config"), (("output_config",), "tool"), (("output_config", "tools"), "text")],
)
def test_how_a_server_takes_a_schema_is_found_out_once_and_remembered(
    server_factory: ServerFactory,
    ledger: Ledger,
    questions_schema: Callable[[int], dict[str, Any]],
    unsupported: tuple[str, ...],
    way: str,
) -> None:
    server = server_factory(unsupported=unsupported)
    provider = provider_of(server, ledger)
    answer = ask(provider, request(schema=questions_schema(2)))
    assert way == "text" or len(json.loads(answer.text)["questions"]) == 2
    assert "?" in answer.text
    assert provider.manners.ways()["schema"] == way
    n_requests = server.counts.requests
    ask(provider_of(server, ledger), request("Rent is due.", schema=questions_schema(2)))
    assert server.counts.requests == n_requests + 1


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
    assert (caught.value.kind, caught.value.retry_after_s) == (kind, None)
    assert ask(provider).finish == "stop"


def test_how_long_to_wait_is_read_from_the_reply(server_factory: ServerFactory) -> None:
    provider = provider_of(server_factory(faults=Faults(script=["rate_limit"]), retry_after_s=7.0))
    with pytest.raises(TransientFailure) as caught:
        ask(provider)
    assert caught.value.retry_after_s == 7.0


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
    with pytest.raises(ProviderError, match="ANTHROPIC_API_KEY") as caught:
        ask(provider)
    assert SECRET not in str(caught.value) + repr(caught.value) + repr(provider)


def test_the_key_and_the_server_of_the_environment_are_used(
    server_factory: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server_factory(api_key=SECRET).root_url)
    assert ask(AnthropicProvider("test")).finish == "stop"


def test_an_unknown_model_is_answered_with_those_that_there_are(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(models=["claude-haiku-4-5", "claude-sonnet-5"])
    with pytest.raises(ProviderError, match="It has claude-haiku-4-5, claude-sonnet-5"):
        ask(provider_of(server))


def test_a_request_that_is_too_long_is_refused(server_factory: ServerFactory) -> None:
    provider = provider_of(server_factory(faults=Faults(script=["too_long"])))
    with pytest.raises(RequestRefused, match="prompt is too long"):
        ask(provider)


def test_a_provider_serves_one_run_after_another(
    server_factory: ServerFactory, ledger: Ledger
) -> None:
    server = server_factory()
    provider = provider_of(server, ledger)
    for purpose in ("write", "judge"):
        wanted = (Wanted(f"{purpose}{n}", str(n), request(f"Rule {n}.")) for n in range(20))
        asked = ask_all(provider, wanted, ledger, purpose=purpose, understand=lambda answer: True)
        assert asked.n_answered == 20
    asyncio.run(provider.close())


def test_without_the_sdk_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "anthropic", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'homing\[anthropic\]'"):
        AnthropicProvider("test", base_url="http://localhost:8000")
