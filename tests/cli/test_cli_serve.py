"""`homing serve`, as it is typed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")


def test_a_port_in_use_is_said_before_anything_is_loaded(homing, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = homing("serve", tmp_path / "no model", "--port", taken.getsockname()[1])
    assert done.code == 2
    assert "Address already in use. Choose another with --port" in done.err


def test_an_address_that_is_none_is_refused(homing, tmp_path):
    done = homing("serve", tmp_path, "--host", "nowhere.invalid")
    assert done.code == 2
    assert "Cannot listen on nowhere.invalid" in done.err


def test_a_key_that_is_named_and_empty_is_refused(homing, tmp_path, monkeypatch):
    monkeypatch.setenv("HOMING_API_KEY", "")
    done = homing("serve", tmp_path, "--api-key-env", "HOMING_API_KEY")
    assert done.code == 2
    assert "HOMING_API_KEY, which is not set or empty" in done.err


def test_an_unknown_backend_is_refused(homing, tmp_path):
    done = homing("serve", tmp_path, "--backend", "tensorrt")
    assert done.code == 2
    assert "Choose one of: torch, onnx, openvino" in done.err


def test_without_the_extra_the_install_command_is_named(homing, tmp_path, monkeypatch):
    monkeypatch.setattr("homing.deployment.server.NEEDED", ("no_such_library",))
    done = homing("serve", tmp_path)
    assert done.code == 9
    assert "pip install 'homing[serve]'" in done.err


def test_an_open_address_without_a_key_is_warned_of(homing, tmp_path):
    done = homing("serve", tmp_path, "--host", "0.0.0.0", "--port", 0)
    assert "WARNING: 0.0.0.0 can be reached from other machines" in done.err
    assert done.code == 7  # there is no model


def test_what_is_to_be_searched_is_made_ahead(homing, tiny_model, tmp_path):
    import shutil

    model = shutil.copytree(tiny_model, tmp_path / "model-a")
    data = tmp_path / "handbook.json"
    corpus = {"leave": "Parents take sixteen weeks.", "travel": "Trains are booked."}
    saved = {"queries": {"q": "who books"}, "corpus": corpus, "relevant_docs": {"q": ["travel"]}}
    data.write_text(json.dumps(saved))
    done = homing("serve", model, "--corpus", data, "--prepare", "--json")
    assert done.code == 0, done.err
    assert (done.json["model"], done.json["n_passages"]) == ("model-a", 2)
    assert (model / "bundle" / "bundle.json").is_file()


@pytest.fixture
def started(tiny_model: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`homing serve` as a process of its own, and its address."""
    environment = {**os.environ, "HOMING_API_KEY": "the-key-of-this-test"}
    arguments = ["serve", str(tiny_model), "--name", "tuned", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "homing", *arguments, "--api-key-env", "HOMING_API_KEY"],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    address = ""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("listening on "):
            address = line.split()[2]
            break
    try:
        assert address
        yield process, address
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        assert process.stdout is not None
        process.stdout.close()


def embed(address: str, texts: list[str]) -> Any:
    request = urllib.request.Request(
        f"{address}/v1/embeddings",
        json.dumps({"model": "tuned", "input": texts}).encode(),
        {"Authorization": "Bearer the-key-of-this-test"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_finishes_what_it_accepted(started, how):
    process, address = started
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(embed, address, [f"leave {n}"] * 1500) for n in range(8)]
        while "homing_queue_requests 8.0" not in _metrics(address):
            assert not any(one.done() for one in waiting), "the machine is too fast for this test"
            time.sleep(0.002)
        process.send_signal(how)
        answers = [one.result(timeout=120) for one in waiting]
    assert [len(answer["data"]) for answer in answers] == [1500] * 8
    code = process.wait(timeout=60)
    assert code == (0 if how == signal.SIGTERM else 130)
    with pytest.raises(OSError, match="refused"):
        embed(address, ["too late"])
    _, told = process.communicate()
    assert "the-key-of-this-test" not in told
    assert "Traceback" not in told


def _metrics(address: str) -> str:
    with urllib.request.urlopen(f"{address}/metrics", timeout=60) as answer:
        return str(answer.read().decode())
