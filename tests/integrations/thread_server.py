"""A server on 127.0.0.1 in a thread, the very application that `homing serve` runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from homing.deployment.server.app import make_app
from homing.deployment.server.model import ServedModel
from homing.deployment.server.running import bind


@contextmanager
def served(model: ServedModel) -> Iterator[str]:
    """Give the base URL for clients, such as "http://127.0.0.1:49152/v1", until the block ends."""
    bound = bind("127.0.0.1", 0)
    config = uvicorn.Config(make_app(model), log_level="error", access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        bound.close()
