"""What the Dockerfile does, done here without Docker: a fresh environment, command and check."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from served import ask

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = "No matching distribution|Connection|Temporary failure|timed out"
KEY = "a-key-for-the-container"


def steps() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions: (name, rest)."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def of(name: str) -> list[str]:
    return [rest for step, rest in steps() if step == name]


def test_the_image_is_small_unprivileged_and_asks_for_a_key():
    users = of("USER")
    assert users == ["homing"]
    assert steps().index(("USER", "homing")) > max(
        n for n, (name, _) in enumerate(steps()) if name in ("RUN", "COPY")
    )
    (command,) = (json.loads(rest) for rest in of("CMD"))
    assert command[-2:] == ["--api-key-env", "HOMING_API_KEY"]
    assert command[command.index("--host") + 1] == "0.0.0.0"
    assert len(of("FROM")) == 2
    assert all("slim" in image for image in of("FROM"))
    assert not any("torch" in rest for rest in of("RUN"))


def test_all_that_is_copied_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for rest in of("COPY"):
        if rest.startswith("--"):
            continue
        *sources, _ = rest.split()
        for source in sources:
            assert (ROOT / source).exists()
            assert source not in ignored


@pytest.fixture
def exported(static_model: Path, tmp_path: Path) -> Path:
    """An ONNX model that looks up a vector for each token, as an export lies on disk."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    folder = tmp_path / "onnx-int8"
    folder.mkdir()
    shutil.copy(static_model / "tokenizer.json", folder)
    table = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32)
    make = onnx.helper
    graph = make.make_graph(
        [make.make_node("Gather", ["table", "input_ids"], ["tokens"])],
        "look up",
        [make.make_tensor_value_info("input_ids", 7, ["n", "t"])],
        [make.make_tensor_value_info("tokens", 1, ["n", "t", 8])],
        [onnx.numpy_helper.from_array(table, "table")],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, str(folder / "model.onnx"))
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The image's /venv, made by the Dockerfile's own commands from the files that it copies."""
    source, venv = tmp_path / "source", tmp_path / "venv"
    source.mkdir()
    for rest in of("COPY"):
        if not rest.startswith("--"):
            *names, _ = rest.split()
            for name in names:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, source / name)
    for rest in of("RUN"):
        if "/venv" not in rest:
            continue
        words = [sys.executable if word == "python" else word for word in shlex.split(rest)]
        words = [re.sub("^/venv", str(venv), word) for word in words if word != "--no-cache-dir"]
        done = subprocess.run(words, cwd=source, capture_output=True, text=True)
        if done.returncode and re.search(NO_NETWORK, done.stderr):
            pytest.skip(f"no packages can be had: {done.stderr[-300:]}")
        assert done.returncode == 0, done.stderr
    return venv


@pytest.mark.slow
def test_its_commands_make_a_server_without_torch(environment: Path, exported: Path):
    packages = {path.name.lower() for path in environment.glob("lib/*/site-packages/*")}
    assert "homing" in packages
    assert not {"torch", "transformers", "sentence_transformers"} & packages
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stands_for = {"/model": str(exported), "0.0.0.0": "127.0.0.1", "8080": str(port)}
    (command,) = (json.loads(rest) for rest in of("CMD"))
    words = [stands_for.get(word, word) for word in command]
    words[0] = str(environment / "bin" / words[0])
    process = subprocess.Popen(words, env={"HOMING_API_KEY": KEY, "PATH": os.environ["PATH"]})
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process)
        (check,) = (json.loads(rest.partition("CMD ")[2]) for rest in of("HEALTHCHECK"))
        check = [word.replace("8080", str(port)) for word in check]
        check[0] = str(environment / "bin" / "python")
        assert subprocess.run(check).returncode == 0
        body = {"model": "onnx-int8:query", "input": ["When is leave paid?", "Leave"]}
        assert ask(f"{url}/v1/embeddings", body)[0] == 401
        status, _, answer = ask(f"{url}/v1/embeddings", body, {"Authorization": f"Bearer {KEY}"})
        assert (status, len(answer["data"])) == (200, 2)
        assert np.linalg.norm(answer["data"][0]["embedding"]) == pytest.approx(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert subprocess.run(check, stderr=subprocess.DEVNULL).returncode != 0
    finally:
        process.kill()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(f"the server ended with {process.returncode}")
