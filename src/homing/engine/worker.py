"""The program of one worker process.

Speaks over one socket: functions and items come in, each is answered. It ends when the parent
does, even in the middle of an item.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

BACKSTOP_S = 10.0
"""The parent kills at the limit; if the parent is gone, the kernel does so this much later."""


def describe(error: BaseException) -> str:
    """Return type, message and place of an exception in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" (at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"


def set_alarm(seconds: float) -> None:
    """Have the kernel end this process after so many seconds; 0 takes the order back."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def pack(value: Any) -> bytes:
    """Return a value pickled, as it is sent to the parent."""
    return pickle.dumps(value, protocol=5)


def run_item(function: Any, payload: bytes, limit_s: float | None) -> bytes:
    """Return the pickled answer to one item: ("value", it) or ("raised", text)."""
    set_alarm(limit_s + BACKSTOP_S if limit_s else 0.0)
    try:
        return pack(("value", function(pickle.loads(payload))))  # noqa: S301
    except BaseException as error:  # work from outside enters here; the parent records it
        return pickle.dumps(("raised", describe(error)))
    finally:
        set_alarm(0.0)


def load_function(payload: bytes) -> tuple[Any, bytes]:
    """Return the function that `payload` names, and the answer for the parent."""
    try:
        return pickle.loads(payload), pickle.dumps(("ready", None))  # noqa: S301
    except Exception as error:
        return None, pickle.dumps(("raised", describe(error)))


def serve(connection: Connection) -> None:
    """Answer the parent until it hangs up."""
    function: Any = None
    while True:
        kind, payload, limit_s = connection.recv()
        if kind == "function":
            function, answer = load_function(payload)
        else:
            answer = run_item(function, payload, limit_s)
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()  # what an item printed must not be lost with a worker that is ended
        connection.send_bytes(answer)


def end_with(parent_pid: int) -> None:
    """End this process when its parent is gone, also while an item runs."""
    while os.getppid() == parent_pid:
        threading.Event().wait(1.0)
    os._exit(1)


def main(socket_number: int, parent_pid: int) -> None:
    """Serve one socket until the parent hangs up; Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(parent_pid,), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the parent is gone or has closed the engine
        serve(Connection(socket_number))
    os._exit(0)
