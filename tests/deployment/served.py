"""Real servers on 127.0.0.1 for tests."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from homing.deployment.server.model import WARM_UP
from homing.deployment.server.running import bind
from homing.types import Encoder, FloatArray


@contextmanager
def running(app: Any, http: str = "auto", grace_s: int = 5) -> Iterator[str]:
    """Serve an application in a thread of its own; give its address."""
    import uvicorn

    bound = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        app,
        http=http,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=grace_s,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.005)
    assert server.started
    try:
        yield "http://{}:{}".format(*bound.getsockname())
    finally:
        app.state.gate.is_closing = True
        server.should_exit = True
        thread.join(timeout=20)
        bound.close()


def ask(
    url: str, body: Any = None, headers: dict[str, str] | None = None, timeout: float = 30
) -> tuple[int, Any, Any]:
    """Return status, headers and parsed JSON (or bytes) of one request."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            status, found, text = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        status, found, text = error.code, error.headers, error.read()
    try:
        return status, found, json.loads(text)
    except ValueError:
        return status, found, text


class HeldEncoder:
    """A real encoder whose work waits until it is let go; remembers what it was given."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.key, self.dimensions = encoder.key, encoder.dimensions
        self.prompts = encoder.prompts
        self.go = threading.Event()
        self.begun = threading.Event()
        self.seen: list[list[str]] = []

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        self._wait(texts)
        return self.encoder.encode_queries(texts)

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        self._wait(texts)
        return self.encoder.encode_passages(texts)

    def _wait(self, texts: Sequence[str]) -> None:
        if {*texts} <= {text for text, _ in WARM_UP}:
            return
        self.seen.append(list(texts))
        self.begun.set()
        assert self.go.wait(30)
        for text in texts:
            if text == "this one breaks the model":
                raise RuntimeError("it broke")
