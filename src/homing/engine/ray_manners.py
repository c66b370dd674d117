"""What Ray does to the process that uses it, kept within bounds: its words, signals and sockets.

stdout is left to results and stderr to what a person should read. With HOMING_DEBUG=1 Ray may say
what it likes, on stderr.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from homing.progress import is_silent

LEVEL_VARIABLE = "RAY_BACKEND_LOG_LEVEL"


def is_debugging() -> bool:
    """Return whether Ray may say what it likes."""
    return bool(os.environ.get("HOMING_DEBUG"))


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Have what Ray starts in the block listen on 127.0.0.1, as it does where it has no clusters.

    Ray takes `_node_ip_address="127.0.0.1"` for the address that other machines see.
    """
    from ray._private import ray_constants

    before = getattr(ray_constants, "ENABLE_RAY_CLUSTER", True)
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def own_sigterm() -> Iterator[None]:
    """Keep this process's own answer to SIGTERM, which `ray.init` replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Have Ray's core say only what is fatal, and not that it was asked to.

    Of each pool of actors that Ray Data starts, the core says that its arguments may be lost.
    """
    if is_debugging() or LEVEL_VARIABLE in os.environ:
        yield
        return
    os.environ[LEVEL_VARIABLE] = "fatal"
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            del os.environ[LEVEL_VARIABLE]
            said.seek(0)
            for line in said:
                if LEVEL_VARIABLE.encode() not in line:
                    os.write(2, line)


def keep_off_stdout() -> None:
    """Have the cluster's messages to this process, of lost nodes and new ones, go to stderr."""
    from ray._private import worker

    original = worker.print_to_stdstream
    if getattr(original, "__module__", "") == __name__:
        return

    def print_to_stderr(data: dict[str, Any], ignore_prefix: bool) -> None:
        if not is_silent():
            original({**data, "is_err": True}, ignore_prefix)

    worker.print_to_stdstream = print_to_stderr
