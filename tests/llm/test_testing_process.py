"""The test server under load, as a process, and when that process is killed."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from homing.errors import HomingError
from homing.llm.testing import TestServer, read_paid
from homing.llm.testing.__main__ import main

ServerFactory = Callable[..., TestServer]
LEAVE = "Parents take sixteen weeks of paid leave, from the day of birth."
URLAUB = "Eltern erhalten sechzehn Wochen bezahlten Urlaub."


def ask(server: TestServer, text: str) -> Any:
    with openai.OpenAI(base_url=server.url, api_key="any", max_retries=0) as client:
        messages: Any = [{"role": "user", "content": text}]
        return client.chat.completions.create(model="test", messages=messages)


def test_five_hundred_requests_go_through_one_connection(server_factory: ServerFactory) -> None:
    server = server_factory()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for n in range(500):
        body = {"model": "test", "messages": [{"role": "user", "content": f"{LEAVE} {n}"}]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
        reply = connection.getresponse()
        assert reply.status == 200
        assert reply.read().startswith(b'{"id": "chatcmpl-')
    connection.close()
    assert server.counts.answered == len(server.paid_by_content) == 500
    assert server.counts.n_repeated == 0


def test_sixty_four_are_answered_at_once(server_factory: ServerFactory) -> None:
    server = server_factory(delay_s=0.3, jitter=0.1)

    async def ask_all() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="any", max_retries=0) as client:
            calls = [
                client.chat.completions.create(
                    model="test", messages=[{"role": "user", "content": f"{LEAVE} {n}"}]
                )
                for n in range(64)
            ]
            return await asyncio.gather(*calls)

    replies = asyncio.run(ask_all())
    assert len({reply.id for reply in replies}) == 64
    assert server.counts.peak_concurrency > 32


def test_what_was_paid_survives_a_kill(tmp_path: Path) -> None:
    log = tmp_path / "counts.jsonl"
    command = [sys.executable, "-m", "homing.llm.testing", "--log-counts", str(log)]

    def start() -> tuple[subprocess.Popen[str], TestServer]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/v1")
        return process, TestServer(port=int(url.split(":")[2].removesuffix("/v1")))

    process, server = start()
    ask(server, LEAVE)
    process.kill()
    process.wait()
    process, server = start()
    ask(server, LEAVE)
    ask(server, URLAUB)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    counts = json.loads(output.splitlines()[-1])
    assert process.returncode == 0
    assert (counts["answered"], counts["contents"], counts["repeated"]) == (3, 2, 1)
    assert [paid.whole for paid in read_paid(log)] == [True] * 3


def test_a_port_that_is_taken_is_named(server_factory: ServerFactory) -> None:
    taken = server_factory().port
    with pytest.raises(HomingError, match=str(taken)):
        TestServer(port=taken).start()


def test_a_wrong_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--fault", "flood=0.1"])
    assert "Unknown faults ['flood']" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--answers", "nowhere.json"])
    assert "nowhere.json cannot be answered from" in capsys.readouterr().err
