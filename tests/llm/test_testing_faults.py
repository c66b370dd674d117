"""What goes wrong at the test server, as the real SDKs see it, and what is then to be paid."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from homing.language import guess_language
from homing.llm.testing import KINDS, TRANSIENT, Faults, TestServer, read_paid
from homing.llm.testing.faults import UNPAID, FaultPlan

ServerFactory = Callable[..., TestServer]
LEAVE = (
    "Parents take sixteen weeks of paid leave, from the day of birth. The director decides about "
    "exceptions within ten days. Whoever falls ill during the leave gets those days back."
)
SCHEMA = {
    "type": "object",
    "properties": {
        "questions": {
            "type": "array",
            "items": {"type": "object", "properties": {"question": {"type": "string"}}},
        }
    },
}
FORM: Any = {"type": "json_schema", "json_schema": {"name": "it", "schema": SCHEMA}}
ERRORS: dict[str, tuple[int, str]] = {
    "rate_limit": (429, "RateLimitError"),
    "rate_limit_date": (429, "RateLimitError"),
    "rate_limit_bare": (429, "RateLimitError"),
    "billing": (402, "APIStatusError"),
    "bad_key": (401, "AuthenticationError"),
    "unknown_model": (404, "NotFoundError"),
    "too_long": (400, "BadRequestError"),
    "error_500": (500, "InternalServerError"),
    "error_503": (503, ""),
    "error_529": (529, ""),
}


def ask(server: TestServer, **more: Any) -> Any:
    with openai.OpenAI(base_url=server.url, api_key="any", max_retries=0, timeout=5) as client:
        messages: Any = [{"role": "user", "content": f"<passage>{LEAVE}</passage>"}]
        return client.chat.completions.create(model="test", messages=messages, **more)


def ask_claude(server: TestServer, **more: Any) -> Any:
    with anthropic.Anthropic(
        base_url=server.root_url, api_key="any", max_retries=0, timeout=5
    ) as client:
        messages: Any = [{"role": "user", "content": f"<passage>{LEAVE}</passage>"}]
        return client.messages.create(model="test", max_tokens=300, messages=messages, **more)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_http_error_reaches_both_sdks(server_factory: ServerFactory, kind: str) -> None:
    server = server_factory(faults=Faults(script=[kind, kind]), retry_after_s=2)
    status, name = ERRORS[kind]
    for module, call in ((openai, ask), (anthropic, ask_claude)):
        with pytest.raises(module.APIStatusError) as caught:
            call(server)
        assert caught.value.status_code == status
        assert not name or isinstance(caught.value, getattr(module, name))
        wait = caught.value.response.headers.get("retry-after")
        if kind == "rate_limit":
            assert wait == "2"
        elif kind == "rate_limit_date":
            assert parsedate_to_datetime(wait).year > 2000
        else:
            assert wait is None
    assert server.counts.by_fault == {kind: 2}
    assert (server.counts.answered, server.counts.input_tokens) == (0, 0)
    assert server.counts.asked_tokens > 0
    assert ask(server).choices[0].finish_reason == "stop"


def test_an_empty_account_says_so_in_each_apis_way(server_factory: ServerFactory) -> None:
    server = server_factory(faults=Faults(quota=2))
    with pytest.raises(openai.RateLimitError) as caught:
        ask(server)
    assert caught.value.code == "insufficient_quota"
    with pytest.raises(anthropic.BadRequestError, match="credit balance is too low"):
        ask_claude(server)


def test_a_silent_server_runs_into_the_clients_timeout(server_factory: ServerFactory) -> None:
    server = server_factory(faults=Faults(script=["timeout", "timeout"]))
    with pytest.raises(openai.APITimeoutError):
        ask(server, timeout=0.1)
    with pytest.raises(anthropic.APITimeoutError):
        ask_claude(server, timeout=0.1)
    assert server.counts.answered == 0


@pytest.mark.parametrize(("kind", "n_paid"), [("cut", 2), ("drop", 0)])
def test_a_broken_connection_is_a_connection_error(
    server_factory: ServerFactory, kind: str, n_paid: int
) -> None:
    server = server_factory(faults=Faults(script=[kind, kind]))
    with pytest.raises(openai.APIConnectionError):
        ask(server)
    with pytest.raises(anthropic.APIConnectionError):
        ask_claude(server)
    assert server.counts.answered == n_paid
    assert not server.counts.whole_by_content


@pytest.mark.parametrize("kind", ["malformed_json", "junk_body"])
def test_a_body_that_is_no_json_is_paid_all_the_same(
    server_factory: ServerFactory, kind: str
) -> None:
    server = server_factory(faults=Faults(script=[kind, kind]))
    for call in (ask, ask_claude):
        with pytest.raises(json.JSONDecodeError) as caught:
            call(server)
        assert (len(caught.value.doc) == 10_000_000) == (kind == "junk_body")
    assert server.counts.answered == 2
    assert server.counts.output_tokens > 0


def test_an_answer_may_be_cut_off_empty_or_refused(server_factory: ServerFactory) -> None:
    script = ["truncated", "empty_choices", "refusal", "content_filter"]
    server = server_factory(faults=Faults(script=script * 2))
    truncated, empty, refused, filtered = (ask(server, response_format=FORM) for _ in script)
    assert truncated.choices[0].finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(truncated.choices[0].message.content)
    assert empty.choices == []
    assert refused.choices[0].message.content is None
    assert refused.choices[0].message.refusal.startswith("I'm sorry")
    assert filtered.choices[0].finish_reason == "content_filter"
    truncated, empty, refused, filtered = (ask_claude(server) for _ in script)
    assert (truncated.stop_reason, empty.content) == ("max_tokens", [])
    assert refused.stop_reason == filtered.stop_reason == "refusal"
    assert server.counts.answered == 8
    assert not server.counts.whole_by_content


def test_an_answer_may_be_wrapped_foreign_or_beside_the_point(
    server_factory: ServerFactory,
) -> None:
    script = ["preamble", "preamble", "other_language", "other_language", "wrong_content", "junk"]
    server = server_factory(faults=Faults(script=script, junk_bytes=100_000))

    def content(**more: Any) -> str:
        return str(ask(server, **more).choices[0].message.content)

    wrapped = content().splitlines()
    assert wrapped[0] == "Here are two questions:"
    assert wrapped[2].startswith("1. ")
    assert wrapped[-1].startswith("Let me know")
    fenced = content(response_format=FORM)
    assert "```json\n" in fenced
    assert fenced.startswith("Sure!")
    assert guess_language(content()) == "fr"
    questions = json.loads(content(response_format=FORM))["questions"]
    assert [guess_language(q["question"]) for q in questions] == ["fr", "fr"]
    assert content(response_format=FORM).startswith("The text discusses")
    assert len(content(response_format=FORM)) == 100_000


def test_a_slow_answer_is_a_whole_one(server_factory: ServerFactory) -> None:
    server = server_factory(faults=Faults(slow=1, slow_s=0.2))
    with pytest.raises(openai.APITimeoutError):
        ask(server, timeout=0.05)
    assert ask(server).choices
    assert server.counts.by_fault == {"slow": 1}


def test_an_answer_that_nobody_waits_for_is_paid_but_not_whole(
    server_factory: ServerFactory, tmp_path: Path
) -> None:
    log = tmp_path / "paid.jsonl"
    server = server_factory(delay_s=0.1, state_file=log)
    body = json.dumps({"model": "test", "messages": [{"role": "user", "content": LEAVE}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall((head + body).encode())
    while not (log.is_file() and read_paid(log)):  # it is written a moment after it is counted
        time.sleep(0.01)
    assert [paid.whole for paid in read_paid(log)] == [False]
    assert server.counts.answered == 1
    assert server.counts.n_repeated == 0


def test_a_rate_limit_lets_through_so_many(server_factory: ServerFactory) -> None:
    server = server_factory(max_per_second=2, retry_after_s=None)
    assert ask(server).choices
    assert ask(server).choices
    with pytest.raises(openai.RateLimitError) as caught:
        ask(server)
    assert "retry-after" not in caught.value.response.headers
    assert server.counts.by_fault == {"limit": 1}


def test_so_many_at_once_and_no_more(server_factory: ServerFactory) -> None:
    server = server_factory(max_concurrent=1, delay_s=0.5)
    body = json.dumps({"model": "test", "messages": [{"role": "user", "content": LEAVE}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall((head + body).encode())
        while not server.counts.peak_concurrency:
            time.sleep(0.01)
        with pytest.raises(openai.RateLimitError):
            ask(server)


def test_the_files_and_models_can_fail_too(server_factory: ServerFactory) -> None:
    server = server_factory(faults=Faults(script_elsewhere=["error_500", "ok"]))
    client = openai.OpenAI(base_url=server.url, api_key="any", max_retries=0)
    with pytest.raises(openai.InternalServerError):
        client.models.list()
    assert [model.id for model in client.models.list()] == ["test"]


def test_faults_can_be_changed_on_the_way(server_factory: ServerFactory) -> None:
    server = server_factory(faults=Faults(error_500=1.0))
    with pytest.raises(openai.InternalServerError):
        ask(server)
    server.set_faults(Faults())
    assert ask(server).choices


def test_the_same_requests_meet_the_same_faults_in_any_order() -> None:
    contents = [f"passage {n}" for n in range(2_000)]
    one, other = (FaultPlan(Faults.mixed(0.2, seed=3)) for _ in range(2))
    forth = {c: one.draw(c) for c in contents}
    back = {c: other.draw(c) for c in reversed(contents)}
    assert forth == back
    struck = [fault for fault in forth.values() if fault != "ok"]
    assert 0.17 < len(struck) / len(contents) < 0.23
    assert set(struck) == set(TRANSIENT)
    assert [one.draw("passage 0") for _ in range(200)].count("ok") > 100


def test_a_number_of_faults_strikes_just_so_many() -> None:
    plan = FaultPlan(Faults(script=["ok", "cut"], timeout=2, refusal=3))
    drawn = [plan.draw(f"{n}") for n in range(20)]
    assert drawn[:2] == ["ok", "cut"]
    assert sorted(drawn[2:7]) == ["refusal"] * 3 + ["timeout"] * 2
    assert drawn[7:] == ["ok"] * 13


def test_a_fault_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="flood"):
        Faults(script=["flood"])
    with pytest.raises(ValueError, match="flood"):
        Faults.of({"flood": 0.1})
    with pytest.raises(ValueError, match="at most 1"):
        Faults(cut=0.6, drop=0.6)
    assert set(TRANSIENT) < set(KINDS)
    assert set(KINDS) > UNPAID
