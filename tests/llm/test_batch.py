"""Batches at half the price: the real SDKs against the test server's files and batches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from handbook_sentences import HANDBOOK
from homing.errors import UsageError
from homing.llm.anthropic import AnthropicProvider
from homing.llm.batch import ask_in_batches
from homing.llm.dispatch import Asked, Limits, Wanted, ask_all
from homing.llm.ledger import Ledger, price_of_call
from homing.llm.openai import OpenAIProvider
from homing.llm.provider import ChatAnswer, ChatRequest, Provider, ProviderError
from homing.llm.testing import Faults, TestServer
from homing.llm.testing.http import HttpRequest, Reply

PRICE = (1.0, 10.0)
SCHEMA = {
    "type": "object",
    "properties": {"questions": {"type": "array", "items": {"type": "string"}}},
    "required": ["questions"],
    "additionalProperties": False,
}
SYSTEM = "Write one question that the passage answers."
SENTENCES = list(HANDBOOK.values())
BOTH = pytest.mark.parametrize("kind", ["openai", "anthropic"])


def requests(n: int, *, max_tokens: int = 200) -> list[ChatRequest]:
    texts = [f"{SENTENCES[i % len(SENTENCES)]} (page {i})" for i in range(n)]
    return [ChatRequest(SYSTEM, f"<passage>{text}</passage>", SCHEMA, max_tokens) for text in texts]


def connect(kind: str, server: TestServer, ledger: Ledger | None = None) -> Provider:
    if kind == "openai":
        return OpenAIProvider("gpt-test", base_url=server.url, api_key="sk-secret", ledger=ledger)
    return AnthropicProvider(
        "claude-test", base_url=server.root_url, api_key="sk-secret", ledger=ledger
    )


def has_questions(answer: ChatAnswer) -> bool:
    try:
        return bool(json.loads(answer.text)["questions"])
    except (ValueError, KeyError, TypeError):
        return False


def ask(provider: Provider, ledger: Ledger, n: int | list[ChatRequest], **options: Any) -> Asked:
    asked = requests(n) if isinstance(n, int) else n
    wanted = (Wanted(r.key(provider.name), f"passage {i}", r) for i, r in enumerate(asked))
    defaults: dict[str, Any] = {
        "purpose": "write", "understand": has_questions, "per_million": PRICE, "poll_s": 0.01,
    }  # fmt: skip
    return ask_in_batches(provider, wanted, ledger, **{**defaults, **options})


def n_batches(server: TestServer, kind: str) -> int:
    path = "/v1/batches" if kind == "openai" else "/v1/messages/batches"
    return server.counts.by_path[f"POST {path}"]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


@BOTH
def test_all_are_answered_at_half_the_price_and_a_second_run_sends_nothing(
    server_factory: Callable[..., TestServer], ledger: Ledger, kind: str
) -> None:
    server = server_factory()
    provider = connect(kind, server, ledger)
    asked = ask(provider, ledger, 50, max_requests=20)
    assert (asked.n_answered, asked.n_failed, asked.n_left) == (50, 0, 0)
    assert n_batches(server, kind) == 3
    assert server.counts.answered == asked.spent.n_calls == 50
    billed = ChatAnswer("", "stop", server.counts.input_tokens, server.counts.output_tokens)
    full_price = price_of_call(billed, PRICE)
    assert full_price is not None
    assert asked.spent.price_usd == pytest.approx(full_price / 2)
    assert ledger.spent().price_usd == pytest.approx(full_price / 2)
    n_requests = server.counts.requests
    again = ask(provider, ledger, 50)
    assert (again.n_found, again.n_answered, again.spent.n_calls) == (50, 0, 0)
    assert server.counts.requests == n_requests


@BOTH
def test_a_batch_asks_exactly_what_a_live_call_would(
    server_factory: Callable[..., TestServer], ledger: Ledger, tmp_path: Path, kind: str
) -> None:
    live, batched = server_factory(), server_factory()
    with Ledger(tmp_path / "live.sqlite") as other:
        provider = connect(kind, live, other)
        wanted = [Wanted(r.key(provider.name), "p", r) for r in requests(5)]
        ask_all(provider, wanted, other, purpose="write", understand=has_questions)
        calls = [other.find(item.key) for item in wanted]
    ask(connect(kind, batched), ledger, 5)
    assert batched.paid_by_content == live.paid_by_content
    for item, call in zip(wanted, calls, strict=True):
        found = ledger.find(item.key)
        assert call is not None
        assert found is not None
        assert (found.answer.text, found.usable) == (call.answer.text, True)


def test_a_batch_ends_where_its_bytes_do(
    server_factory: Callable[..., TestServer], ledger: Ledger
) -> None:
    server = server_factory()
    assert ask(connect("openai", server), ledger, 12, max_bytes=2500).n_answered == 12
    assert 3 <= n_batches(server, "openai") <= 6


@BOTH
def test_what_failed_or_was_of_no_use_is_asked_in_a_following_batch(
    server_factory: Callable[..., TestServer], ledger: Ledger, kind: str
) -> None:
    faults = Faults(error_500=3, wrong_content=2, truncated=2, empty_choices=1)
    server = server_factory(faults=faults)
    asked = ask(connect(kind, server), ledger, 20)
    assert (asked.n_answered, asked.n_failed, asked.n_unusable) == (20, 0, 0)
    assert n_batches(server, kind) == 2
    assert server.counts.n_repeated == 0


@BOTH
def test_a_request_that_keeps_failing_is_listed_and_the_others_are_not(
    server_factory: Callable[..., TestServer], ledger: Ledger, kind: str
) -> None:
    server = server_factory(faults=Faults(script=["too_long"], error_500=0.999))
    asked = ask(connect(kind, server), ledger, 3, limits=Limits(max_tries=2))
    assert (asked.n_answered, asked.n_failed) == (0, 3)
    assert n_batches(server, kind) == 2
    keys = [r.key(connect(kind, server).name) for r in requests(3)]
    failures = [ledger.failure(key) for key in keys]
    assert sorted((f.reason, f.tries) for f in failures if f) == [
        ("refused", 1), ("server", 2), ("server", 2),
    ]  # fmt: skip
    server.set_faults(Faults())
    assert ask(connect(kind, server), ledger, 3).n_answered == 3
    assert all(ledger.failure(key) is None for key in keys)


def test_answers_of_no_use_are_given_up_after_the_stated_number_and_asked_again_when_told(
    server_factory: Callable[..., TestServer], ledger: Ledger
) -> None:
    server = server_factory(faults=Faults(wrong_content=1.0))
    limits = Limits(max_unusable=2)
    assert ask(connect("openai", server), ledger, 3, limits=limits).n_unusable == 3
    assert server.counts.answered == 6
    assert ask(connect("openai", server), ledger, 3, limits=limits).n_unusable == 3
    assert server.counts.answered == 6
    server.set_faults(Faults())
    assert ask(connect("openai", server), ledger, 3, limits=limits, again=True).n_answered == 3


def test_an_answer_that_was_cut_off_is_asked_for_at_more_length(
    server_factory: Callable[..., TestServer], ledger: Ledger
) -> None:
    server = server_factory()
    asked = ask(connect("openai", server), ledger, requests(2, max_tokens=5))
    assert asked.n_answered == 2
    assert asked.spent.n_calls > 2


@BOTH
def test_what_an_expired_batch_had_answered_is_kept_and_the_rest_is_sent_anew(
    server_factory: Callable[..., TestServer], ledger: Ledger, kind: str
) -> None:
    server = server_factory(batch_outcomes=["expired"])
    assert ask(connect(kind, server), ledger, 10).n_answered == 10
    assert n_batches(server, kind) == 2
    assert server.counts.answered == 10


def test_a_batch_that_is_rejected_stops_the_job_with_the_provider_s_words(
    server_factory: Callable[..., TestServer], ledger: Ledger
) -> None:
    server = server_factory(max_batch_lines=4)
    provider = connect("openai", server)
    with pytest.raises(ProviderError, match="rejected a batch of 10"):
        ask(provider, ledger, 10)
    assert ledger.open_batches(provider.name, "write") == {}
    assert ask(provider, ledger, 10, max_requests=4).n_answered == 10


@BOTH
@pytest.mark.parametrize("fault", ["bad_key", "quota", "unknown_model"])
def test_a_provider_that_answers_nobody_is_an_error_with_a_remedy_and_without_the_key(
    server_factory: Callable[..., TestServer], ledger: Ledger, kind: str, fault: str
) -> None:
    server = server_factory(faults=Faults(script=[fault]))
    provider = connect(kind, server)
    with pytest.raises(ProviderError) as caught:
        ask(provider, ledger, 4)
    assert any(w in str(caught.value) for w in ("Check", "Add credit"))
    assert "sk-secret" not in str(caught.value)
    # The three that were answered are kept, and the batch is not read again.
    assert ledger.spent().n_calls == 3
    assert ask(provider, ledger, 4).n_answered == 1
    assert server.counts.n_repeated == 0


def test_a_wrong_key_is_told_before_anything_is_sent(
    server_factory: Callable[..., TestServer], ledger: Ledger
) -> None:
    server = server_factory(api_key="another")
    with pytest.raises(ProviderError, match="OPENAI_API_KEY"):
        ask(connect("openai", server), ledger, 4)
    assert ledger.open_batches("openai:gpt-test", "write") == {}


@BOTH
def test_a_server_without_batches_is_said_to_have_none(
    server_factory: Callable[..., TestServer], ledger: Ledger, kind: str
) -> None:
    server = server_factory(unsupported=["batches"])
    with pytest.raises(ProviderError, match="leave --batch out"):
        ask(connect(kind, server), ledger, 2)


def test_a_server_that_takes_no_schema_is_asked_otherwise_in_the_next_batch(
    server_factory: Callable[..., TestServer], ledger: Ledger
) -> None:
    server = server_factory(unsupported=["json_schema"])
    assert ask(connect("openai", server, ledger), ledger, 6).n_answered == 6
    assert n_batches(server, "openai") == 2
    # What was found out holds for later runs.
    assert ask(connect("openai", server, ledger), ledger, 12).n_answered == 6
    assert n_batches(server, "openai") == 3


def cut_off(server: TestServer, n_times: dict[str, int], ending: str = "cut") -> None:
    """Let the server do what it is asked on these paths, but break the first replies off."""
    service = server._service
    handle = service._elsewhere

    def broken(request: HttpRequest, dialect: Any) -> Reply:
        reply = handle(request, dialect)
        for part, n in n_times.items():
            if n and part in f"{request.method} {request.path}":
                n_times[part] = n - 1
                return Reply(reply.status, reply.body, ending=ending)  # type: ignore[arg-type]
        return reply

    service._elsewhere = broken  # type: ignore[method-assign]


@BOTH
@pytest.mark.parametrize("ending", ["cut", "drop"])
def test_a_batch_whose_acceptance_was_never_heard_of_is_found_and_not_sent_twice(
    server_factory: Callable[..., TestServer], ledger: Ledger, kind: str, ending: str
) -> None:
    server = server_factory(batch_s=0.1)
    cut_off(server, {"POST /v1/batches": 1, "POST /v1/messages/batches": 1}, ending)
    assert ask(connect(kind, server), ledger, 8).n_answered == 8
    assert n_batches(server, kind) == 1
    assert server.counts.answered == 8


@pytest.mark.parametrize("batch_s", [0.0, 0.3])
def test_another_s_batch_of_the_same_size_is_not_taken_for_a_lost_one(
    server_factory: Callable[..., TestServer], ledger: Ledger, tmp_path: Path, batch_s: float
) -> None:
    server = server_factory(batch_s=batch_s)
    provider = connect("anthropic", server)
    with Ledger(tmp_path / "other.sqlite") as other:
        broken_off(provider, other, requests(16)[8:])
        ours = [request.key(provider.name) for request in requests(8)]
        mark = f"unsent-{time.time():.0f}-0123456789abcdef"  # of a run that died before sending
        ledger.record_batch(mark, ours, provider=provider.name, purpose="write")
        assert ask(provider, ledger, 8).n_answered == 8
        assert ask(provider, other, requests(16)[8:]).n_answered == 8
    assert n_batches(server, "anthropic") == 2
    assert ledger.open_batches(provider.name, "write") == {}


def test_a_provider_whose_queue_is_full_gets_smaller_batches(
    server_factory: Callable[..., TestServer], ledger: Ledger
) -> None:
    server = server_factory(max_batch_lines=4)
    service = server._service
    handle = service._elsewhere

    def in_openai_s_words(request: HttpRequest, dialect: Any) -> Reply:
        reply = handle(request, dialect)
        body = json.loads(reply.body) if b'"status"' in reply.body else {}
        if body.get("status") != "failed":
            return reply
        told = "Enqueued token limit reached for gpt-test in organization org-1."
        body["errors"]["data"] = [{"code": "token_limit_exceeded", "message": told, "line": None}]
        return Reply(200, json.dumps(body).encode())

    service._elsewhere = in_openai_s_words  # type: ignore[method-assign]
    assert ask(connect("openai", server), ledger, 20).n_answered == 20
    assert server.counts.answered == 20
    server.max_batch_lines = 0
    with pytest.raises(ProviderError, match="Enqueued token limit"):
        ask(connect("openai", server), ledger, 22)


@BOTH
def test_looking_at_a_batch_survives_a_server_that_stumbles(
    server_factory: Callable[..., TestServer], ledger: Ledger, kind: str
) -> None:
    sending = ["ok", "ok"] if kind == "openai" else ["ok"]
    server = server_factory(faults=Faults(script_elsewhere=[*sending, "error_500", "rate_limit"]))
    server.retry_after_s = 0.0
    cut_off(server, {"/content": 5, "/results": 5})
    assert ask(connect(kind, server), ledger, 8).n_answered == 8
    assert server.counts.answered == 8
    assert ledger.spent().n_calls == 8


@BOTH
def test_the_same_request_wanted_twice_is_sent_once(
    server_factory: Callable[..., TestServer], ledger: Ledger, kind: str
) -> None:
    server = server_factory()
    asked = ask(connect(kind, server), ledger, [*requests(3), *requests(3)])
    assert (asked.n_answered, asked.n_found) == (3, 3)
    assert server.counts.answered == 3


def test_a_job_on_other_documents_takes_what_it_wants_of_an_open_batch_and_leaves_the_rest(
    server_factory: Callable[..., TestServer], ledger: Ledger
) -> None:
    server = server_factory()
    provider = connect("openai", server)
    broken_off(provider, ledger, requests(6))
    (batch_id,) = ledger.open_batches(provider.name, "write")
    assert ask(provider, ledger, requests(4)[2:]).n_answered == 2
    assert len(ledger.open_batches(provider.name, "write")[batch_id]) == 4
    assert ask(provider, ledger, 6).n_answered == 4
    assert ledger.open_batches(provider.name, "write") == {}
    assert n_batches(server, "openai") == 1
    assert server.counts.answered == 6


def broken_off(provider: Provider, ledger: Ledger, asked: list[ChatRequest]) -> None:
    """Send a batch and stop, as Ctrl-C does, before its answers are read."""

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("homing.llm.batch._Job._look", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(provider, ledger, asked)


def test_ctrl_c_says_that_the_batch_goes_on_and_the_same_call_fetches_it(
    server_factory: Callable[..., TestServer],
    ledger: Ledger,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = server_factory()
    provider = connect("openai", server)
    broken_off(provider, ledger, requests(5))
    assert "the same command fetches them" in capsys.readouterr().err
    assert ask(provider, ledger, 5).n_answered == 5
    assert n_batches(server, "openai") == 1


def test_the_budget_is_kept_and_what_it_leaves_is_counted(
    server_factory: Callable[..., TestServer], ledger: Ledger
) -> None:
    server = server_factory()
    provider = connect("openai", server)
    asked = ask(provider, ledger, 200, budget_usd=0.02)
    assert asked.stopped_by_budget
    assert 0 < asked.n_answered < 200
    assert asked.n_answered + asked.n_left == 200
    assert 0.015 < asked.spent.price_usd <= 0.02
    more = ask(provider, ledger, 200, budget_usd=10.0, spent_usd=asked.spent.price_usd)
    assert (more.n_found, more.n_left) == (asked.n_answered, 0)
    assert server.counts.answered == 200


def test_a_budget_without_a_price_is_refused(
    server_factory: Callable[..., TestServer], ledger: Ledger
) -> None:
    with pytest.raises(UsageError, match=r"write\.price"):
        ask(connect("openai", server_factory()), ledger, 2, budget_usd=1.0, per_million=None)


def test_a_provider_without_batches_is_refused(ledger: Ledger) -> None:
    class OnThisMachine:
        name = "local:some-model"

    with pytest.raises(UsageError, match="Leave --batch out"):
        ask(OnThisMachine(), ledger, 1)  # type: ignore[arg-type]


JOB = """
import os, sys
sys.path[:0] = {paths!r}
import test_batch
from pathlib import Path
from homing.llm.ledger import Ledger
class Server: url = {root!r} + "/v1"; root_url = {root!r}
{before}
with Ledger(Path({ledger!r})) as ledger:
    asked = test_batch.ask(test_batch.connect({kind!r}, Server), ledger, 30, max_requests=10)
print(asked.n_answered, asked.n_found)
"""
DIES_AT = {
    "before anything is sent": (
        "import homing.llm.batch_remote as m; m.RemoteBatches._calling = {die}"
    ),
    "when a batch is accepted but not in the ledger": (
        "import homing.llm.batch_sending as m; m.Sender._accepted = {die}"
    ),
    "while it waits": "import homing.llm.batch as m; m._Job._look = {die}",
    "with an answer just read": (
        "import homing.llm.ledger as m; kept = m.Ledger.record\n"
        "def record(*a, **b):\n    kept(*a, **b); ({die})()\n"
        "m.Ledger.record = record"
    ),
}


def run_job(
    server: TestServer, path: Path, kind: str, before: str = ""
) -> subprocess.CompletedProcess[str]:
    here = Path(__file__).resolve().parent
    paths = [str(here), str(here.parent)]
    before = before.format(die=f"lambda *a, **b: os.kill(os.getpid(), {int(signal.SIGKILL)})")
    script = JOB.format(
        paths=paths, root=server.root_url, ledger=str(path), kind=kind, before=before
    )
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=os.environ
    )


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("moment", list(DIES_AT))
def test_a_job_killed_at_the_worst_moment_pays_nothing_twice(
    server_factory: Callable[..., TestServer], tmp_path: Path, kind: str, moment: str
) -> None:
    server = server_factory()
    path = tmp_path / "ledger.sqlite"
    killed = run_job(server, path, kind, DIES_AT[moment])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    finished = run_job(server, path, kind)
    assert finished.returncode == 0, finished.stderr
    n_answered, n_found = map(int, finished.stdout.split())
    assert n_answered + n_found == 30
    assert n_batches(server, kind) == 3
    assert server.counts.answered == 30
    assert server.counts.n_repeated == 0
    with Ledger(path) as ledger:
        assert ledger.spent().n_calls == 30
        assert ledger.open_batches(connect(kind, server).name, "write") == {}
