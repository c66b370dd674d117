"""What a real server does under load, with bad luck, and when it is told to stop."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import HeldEncoder, ask, running

from homing.deployment.server import limits as limits_module
from homing.deployment.server import make_app
from homing.deployment.server.limits import Limits
from homing.deployment.server.model import serve_as
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.models import load_sentence_transformer

openai = pytest.importorskip("openai")
pytest.importorskip("fastapi")

SMALL = Limits(max_body_bytes=2000, max_inputs=4, max_characters=100, max_queue=3)


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(load_sentence_transformer(str(tiny_model)), bf16=False)


@pytest.fixture
def held(encoder: SentenceTransformerEncoder) -> Iterator[HeldEncoder]:
    held = HeldEncoder(encoder)
    yield held
    held.go.set()


Serve = Callable[..., Any]


@pytest.fixture(params=["httptools", "h11"])
def serving(tiny_model: Path, request: pytest.FixtureRequest) -> Serve:
    """Give the function that serves an encoder within limits, by either way to read HTTP."""
    pytest.importorskip(request.param)

    @contextmanager
    def serve(encoder: Any, limits: Limits = SMALL, grace_s: int = 5) -> Iterator[str]:
        app = make_app(serve_as("tuned", encoder, tiny_model), limits=limits)
        with running(app, request.param, grace_s) as address:
            yield f"{address}/v1/embeddings"

    return serve


def status_of(url: str, texts: Any) -> int:
    return ask(url, {"input": texts})[0]


def test_what_is_too_large_is_told_apart(serving, encoder):
    with serving(encoder) as url:
        client = openai.OpenAI(
            base_url=url.removesuffix("/embeddings"), api_key="none", max_retries=0
        )
        with pytest.raises(openai.APIStatusError, match="longer than 2,000 bytes") as caught:
            client.embeddings.create(model="tuned", input="leave " * 1000)
        assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
        with pytest.raises(openai.UnprocessableEntityError, match="5 texts; at most 4") as caught:
            client.embeddings.create(model="tuned", input=["leave"] * 5)
        assert caught.value.code == "too_many_inputs"
        with pytest.raises(openai.UnprocessableEntityError, match=r"Text 1 .* 101 characters"):
            client.embeddings.create(model="tuned", input=["leave", "l" * 101])
        assert status_of(url, ["l" * 100] * 4) == 200


def test_a_body_of_unknown_length_is_read_no_further_than_it_may_be(serving, encoder):
    with serving(encoder) as url:
        host, port = url.split("/")[2].split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(
                b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for _ in range(5):
                connection.sendall(b"1f4\r\n" + b"x" * 500 + b"\r\n")
            assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]
        assert status_of(url, "leave") == 200


def test_beyond_the_queue_it_says_429_and_recovers(serving, held):
    with serving(held) as url, ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(status_of, url, f"leave {n}") for n in range(SMALL.max_queue)]
        assert held.begun.wait(20)
        while _inside(url) < SMALL.max_queue:
            time.sleep(0.005)
        status, headers, answer = ask(url, {"input": "one more"})
        assert (status, headers["Retry-After"]) == (429, "1")
        assert answer["error"]["code"] == "queue_full"
        base = url.removesuffix("/embeddings")
        client = openai.OpenAI(base_url=base, api_key="none", max_retries=0)
        with pytest.raises(openai.RateLimitError, match="3 requests are waiting"):
            client.embeddings.create(model="tuned", input="one more")
        held.go.set()
        assert [one.result(timeout=20) for one in waiting] == [200] * SMALL.max_queue
        assert status_of(url, "one more") == 200
        assert not any("one more" in texts for texts in held.seen[:-1])


def test_who_is_refused_waits_a_moment_unless_too_many_do(serving, held, monkeypatch):
    monkeypatch.setattr(limits_module, "MOST_HELD", 2)
    limits = replace(SMALL, max_queue=1, hold_back_s=2.0)
    with serving(held, limits) as url, ThreadPoolExecutor(8) as pool:
        first = pool.submit(status_of, url, "leave")
        assert held.begun.wait(20)
        waiting = [pool.submit(status_of, url, f"leave {n}") for n in range(3)]
        done, _ = wait(waiting, timeout=20, return_when=FIRST_COMPLETED)
        assert [one.result() for one in done] == [429]
        assert not any(one.done() for one in waiting if one not in done)
        held.go.set()
        assert first.result(timeout=20) == 200
        assert [one.result(timeout=20) for one in waiting] == [429] * 3


def test_the_bytes_that_wait_are_bounded_as_well(serving, held):
    limits = replace(SMALL, max_queue=100, max_queue_bytes=300)
    with serving(held, limits) as url, ThreadPoolExecutor(8) as pool:
        first = pool.submit(status_of, url, ["l" * 100] * 3)  # alone it may be larger
        assert held.begun.wait(20)
        assert status_of(url, "leave") == 429
        held.go.set()
        assert first.result(timeout=20) == 200
        assert status_of(url, "leave") == 200


def _inside(url: str) -> float:
    text = ask(url.replace("/v1/embeddings", "/metrics"))[2].decode()
    (line,) = (line for line in text.splitlines() if line.startswith("homing_queue_requests "))
    return float(line.split()[1])


def test_a_request_that_takes_too_long_is_given_up_and_costs_no_more(serving, held):
    with serving(held, replace(SMALL, timeout_s=0.3)) as url, ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, url, {"input": "leave"})
        assert held.begun.wait(20)
        status, _, answer = ask(url, {"input": "travel"})
        assert (status, answer["error"]["code"]) == (504, "timeout")
        assert first.result(timeout=20)[0] == 504
        held.go.set()
        while _inside(url):
            time.sleep(0.005)
        assert status_of(url, "badge") == 200
        assert [texts for texts in held.seen if "travel" in texts] == []


def test_a_body_that_never_ends_is_given_up(serving, encoder):
    with serving(encoder, replace(SMALL, timeout_s=0.3)) as url:
        host, port = url.split("/")[2].split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(
                b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"
            )
            assert b" 504 " in connection.recv(4096).split(b"\r\n")[0]
        assert _inside(url) == 0


def test_who_leaves_costs_nothing_more(serving, held):
    with serving(held, replace(SMALL, max_queue=10)) as url, ThreadPoolExecutor(4) as pool:
        first = pool.submit(status_of, url, "leave")
        assert held.begun.wait(20)
        host, port = url.split("/")[2].split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            body = b'{"input": "who left"}'
            connection.sendall(
                b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            while _inside(url) < 2:
                time.sleep(0.005)
        time.sleep(0.3)
        last = pool.submit(status_of, url, "who stayed")
        while _inside(url) < 3:
            time.sleep(0.005)
        held.go.set()
        assert first.result(timeout=20) == last.result(timeout=20) == 200
        while _inside(url):
            time.sleep(0.005)
        seen = [text for texts in held.seen for text in texts]
        assert seen == ["leave", "who stayed"]


def test_a_text_that_breaks_the_model_fails_alone(serving, held, encoder):
    with serving(held, replace(SMALL, max_queue=10)) as url, ThreadPoolExecutor(4) as pool:
        first = pool.submit(status_of, url, "leave")
        assert held.begun.wait(20)
        bad = pool.submit(ask, url, {"input": "this one breaks the model"})
        good = pool.submit(ask, url, {"input": "travel"})
        while _inside(url) < 3:
            time.sleep(0.005)
        held.go.set()
        assert first.result(timeout=20) == 200
        status, _, answer = bad.result(timeout=20)
        assert (status, answer["error"]["type"]) == (500, "server_error")
        assert "broke" not in answer["error"]["message"]
        status, _, answer = good.result(timeout=20)
        assert status == 200
        found = np.array(answer["data"][0]["embedding"])
        assert np.abs(found - encoder.encode_passages(["travel"])[0]).max() < 1e-5


def test_what_was_accepted_is_finished_before_the_end(serving, held):
    with ThreadPoolExecutor(4) as pool:
        with serving(held) as url:
            waiting = [pool.submit(status_of, url, f"leave {n}") for n in range(3)]
            while _inside(url) < 3:
                time.sleep(0.005)
            threading.Timer(0.3, held.go.set).start()
        assert [one.result(timeout=20) for one in waiting] == [200] * 3
        with pytest.raises(OSError, match="refused"):
            status_of(url, "too late")


def test_what_cannot_be_finished_in_time_is_told_so(serving, held):
    with ThreadPoolExecutor(1) as pool:
        with serving(held, grace_s=1) as url:
            waiting = pool.submit(ask, url, {"input": "leave"})
            assert held.begun.wait(20)
            threading.Timer(2.5, held.go.set).start()
        status, headers, answer = waiting.result(timeout=20)
        assert (status, answer["error"]["code"]) == (503, "stopping")
        assert headers["Retry-After"] == "5"
