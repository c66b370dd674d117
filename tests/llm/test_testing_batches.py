"""Batches of the test server, through both real SDKs: how they end, and what is paid for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from homing.llm.testing import Faults, TestServer

ServerFactory = Callable[..., TestServer]
LEAVE = "Parents take sixteen weeks of paid leave. The director decides about exceptions."
N = 6


def line(n: int, **more: Any) -> dict[str, Any]:
    body = {"model": "test", "messages": [{"role": "user", "content": f"{LEAVE} {n}"}], **more}
    url = "/v1/chat/completions"
    return {"custom_id": f"item-{n}", "method": "POST", "url": url, "body": body}


def client_of(server: TestServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key="any", max_retries=0)


def send(client: openai.OpenAI, lines: list[dict[str, Any]]) -> Any:
    content = "\n".join(json.dumps(one) for one in lines).encode()
    file = client.files.create(file=("batch.jsonl", content), purpose="batch")
    assert file.bytes == len(content)
    assert client.files.content(file.id).read() == content
    return client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"job": "test"},
    )


def results(client: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    if file_id is None:
        return {}
    lines = client.files.content(file_id).text.splitlines()
    return {found["custom_id"]: found for found in map(json.loads, lines)}


def test_a_batch_gives_each_request_the_answer_of_a_call(server_factory: ServerFactory) -> None:
    server = server_factory()
    client = client_of(server)
    batch = client.batches.retrieve(send(client, [line(n) for n in range(N)]).id)
    assert (batch.status, batch.metadata) == ("completed", {"job": "test"})
    assert (batch.request_counts.total, batch.request_counts.completed) == (N, N)
    found = results(client, batch.output_file_id)
    assert sorted(found) == [f"item-{n}" for n in range(N)]
    assert list(found) != sorted(found)
    single = client.chat.completions.create(**line(2)["body"])
    batched = found["item-2"]["response"]["body"]
    assert batched["choices"][0]["message"]["content"] == single.choices[0].message.content
    assert batched["usage"] == single.usage.model_dump(exclude_none=True)
    assert max(server.paid_by_content.values()) == 2
    assert batch.error_file_id is None
    assert [b.id for b in client.batches.list()] == [batch.id]


def test_requests_that_fail_in_a_batch_are_in_its_error_file(server_factory: ServerFactory) -> None:
    server = server_factory(faults=Faults(script=["ok", "rate_limit", "cut"]))
    client = client_of(server)
    lines = [line(0), line(1), line(2), line(3, messages=[])]
    batch = client.batches.retrieve(send(client, lines).id)
    assert list(results(client, batch.output_file_id)) == ["item-0"]
    failed = results(client, batch.error_file_id)
    status = {key: found["response"]["status_code"] for key, found in failed.items()}
    assert status == {"item-1": 429, "item-2": 500, "item-3": 400}
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 3)
    assert server.counts.answered == 1


def test_a_batch_takes_its_time_and_can_be_cancelled(server_factory: ServerFactory) -> None:
    server = server_factory(batch_s=60)
    client = client_of(server)
    sent = send(client, [line(n) for n in range(N)])
    assert client.batches.retrieve(sent.id).status == "in_progress"
    assert client.batches.cancel(sent.id).status == "cancelling"
    batch = client.batches.retrieve(sent.id)
    assert batch.status == "cancelled"
    assert batch.cancelled_at
    assert len(results(client, batch.output_file_id)) == server.counts.answered == N // 2
    with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
        client.batches.cancel(sent.id)


def test_a_batch_that_expires_has_what_was_done_by_then(server_factory: ServerFactory) -> None:
    client = client_of(server_factory(batch_outcomes=["expired"]))
    lines = [line(n) for n in range(N)]
    batch = client.batches.retrieve(send(client, lines).id)
    assert batch.status == "expired"
    assert len(results(client, batch.output_file_id)) == N // 2
    late = results(client, batch.error_file_id)
    assert {found["error"]["code"] for found in late.values()} == {"batch_expired"}
    assert client.batches.retrieve(send(client, lines).id).status == "completed"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([line(0), line(0)], "duplicate_custom_id"),
        ([line(0), {"custom_id": "x"}], "invalid_json_line"),
        ([line(0) | {"url": "/v1/embeddings"}], "mismatched_endpoint"),
        ([], "empty_file"),
        ([line(n) for n in range(9)], "request_limit_exceeded"),
    ],
)
def test_a_file_that_is_no_batch_fails_with_the_reason(
    server_factory: ServerFactory, lines: list[dict[str, Any]], code: str
) -> None:
    server = server_factory(max_batch_lines=8)
    client = client_of(server)
    batch = client.batches.retrieve(send(client, lines).id)
    assert batch.status == "failed"
    assert batch.errors.data[0].code == code
    assert batch.output_file_id is None
    assert server.counts.answered == 0


def test_a_batch_may_fail_as_a_whole(server_factory: ServerFactory) -> None:
    client = client_of(server_factory(batch_outcomes=["failed"]))
    batch = client.batches.retrieve(send(client, [line(0)]).id)
    assert (batch.status, batch.errors.data[0].code) == ("failed", "server_error")


def test_a_server_may_know_no_batches(server_factory: ServerFactory) -> None:
    client = client_of(server_factory(unsupported=["batches"]))
    with pytest.raises(openai.NotFoundError):
        send(client, [line(0)])
    with pytest.raises(openai.NotFoundError):
        client_of(server_factory()).batches.retrieve("batch_gone")


def claude_of(server: TestServer) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.root_url, api_key="any", max_retries=0)


def request(n: int, **more: Any) -> Any:
    messages = [{"role": "user", "content": f"{LEAVE} {n}"}]
    params = {"model": "test", "max_tokens": 300, "messages": messages, **more}
    return {"custom_id": f"item-{n}", "params": params}


def test_claudes_batches_give_each_request_its_answer(server_factory: ServerFactory) -> None:
    server = server_factory(faults=Faults(script=["ok", "error_529"]))
    client = claude_of(server)
    sent = client.messages.batches.create(
        requests=[request(0), request(1), request(2, messages=[])]
    )
    batch = client.messages.batches.retrieve(sent.id)
    assert batch.processing_status == "ended"
    assert (batch.request_counts.succeeded, batch.request_counts.errored) == (1, 2)
    found = {r.custom_id: r.result for r in client.messages.batches.results(sent.id)}
    single = client.messages.create(**request(0)["params"])
    assert found["item-0"].message.content == single.content
    assert found["item-1"].error.error.type == "api_error"
    assert found["item-2"].error.error.type == "invalid_request_error"
    assert [b.id for b in client.messages.batches.list()] == [sent.id]


@pytest.mark.parametrize("outcome", ["expired", "failed", "canceled"])
def test_claudes_batches_may_end_early(server_factory: ServerFactory, outcome: str) -> None:
    if outcome == "canceled":
        server = server_factory(batch_s=60)
    else:
        server = server_factory(batch_outcomes=[outcome])
    client = claude_of(server)
    sent = client.messages.batches.create(requests=[request(n) for n in range(N)])
    assert sent.processing_status == "in_progress"
    if outcome == "canceled":
        assert client.messages.batches.retrieve(sent.id).request_counts.processing == N
        assert client.messages.batches.cancel(sent.id).processing_status == "canceling"
    assert client.messages.batches.retrieve(sent.id).processing_status == "ended"
    kinds = [r.result.type for r in client.messages.batches.results(sent.id)]
    expected = ["errored"] * N if outcome == "failed" else [outcome] * 3 + ["succeeded"] * 3
    assert sorted(kinds) == sorted(expected)
    assert server.counts.answered == (0 if outcome == "failed" else N // 2)


def test_claude_refuses_a_batch_that_is_none(server_factory: ServerFactory) -> None:
    client = claude_of(server_factory(max_batch_lines=2))
    for requests in ([], [request(0)] * 2, [request(n) for n in range(3)]):
        with pytest.raises(anthropic.BadRequestError, match="requests"):
            client.messages.batches.create(requests=requests)
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve("msgbatch_gone")
