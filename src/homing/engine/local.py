"""Worker processes on this machine.

Each worker is a fresh Python that imports only what the function needs, so that neither the
parent's threads nor its libraries are carried over, and a user's script needs no
`if __name__ == "__main__"`. One item is in flight for each worker; a worker that dies or passes
the time limit is killed and replaced. A round trip costs about 0.1 ms, a worker's start 0.1 s.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Generic, Self

from homing.engine.base import Failure, Item, Outcome, Per, Value

LOOK_AHEAD = 16
"""Items for each worker that may be started before the oldest unfinished one is yielded."""

BOOT = (
    "import sys; sys.path[:] = sys.argv[3:]; from homing.engine.worker import main; "
    "main(int(sys.argv[1]), int(sys.argv[2]))"
)


class Worker:
    """One worker process and the socket to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        arguments = [str(theirs.fileno()), str(os.getpid()), *sys.path]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", BOOT, *arguments],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=2,  # stdout is left to results
            )
        finally:
            theirs.close()
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self.function = b""
        self.is_loading = False
        self.limit_s: float | None = None
        self.deadline = float("inf")

    def start(self, function: bytes, item: bytes, limit_s: float | None) -> None:
        """Send one item; its clock runs from when the worker has loaded the function.

        Raises:
            OSError: If the worker is gone.
        """
        self.limit_s = limit_s
        self.deadline = float("inf")
        if function != self.function:
            self.connection.send(("function", function, None))
            self.function = function
            self.is_loading = True
        self.connection.send(("item", item, limit_s))
        if not self.is_loading:
            self.start_clock()

    def start_clock(self) -> None:
        """Let the time limit of the present item run from now."""
        self.is_loading = False
        self.deadline = time.monotonic() + self.limit_s if self.limit_s else float("inf")

    def end(self) -> int:
        """Kill the process at once; return its exit code, negative for a signal."""
        with contextlib.suppress(OSError):
            self.process.kill()
        self.connection.close()
        return self.process.wait()


def describe_exit(code: int) -> str:
    """Return what an exit code says about a worker that went by itself."""
    if code >= 0:
        return f"the worker process ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = "; the machine may be short of memory" if -code == signal.SIGKILL else ""
    return f"the worker process was ended by {name}{hint}"


def end_all(workers: list[Worker]) -> None:
    """End every worker and forget it."""
    while workers:
        workers.pop().end()


class LocalEngine:
    """An `Engine` of worker processes on this machine, kept from one map to the next.

    Close it, or use it in a `with` block; it is also closed when it is garbage or Python ends.

    Args:
        n_workers: As many as there are usable cores when None.
    """

    name = "local"

    def __init__(self, n_workers: int | None = None) -> None:
        if n_workers is not None and n_workers < 1:
            raise ValueError(f"n_workers must be at least 1, not {n_workers}")
        self.n_workers = n_workers or n_cores()
        self._idle: list[Worker] = []
        self._finalizer = weakref.finalize(self, end_all, self._idle)

    def map(
        self,
        function: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        time_limit_s: float | Callable[[Item], float] | None = None,
        per: Per = "core",
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield one outcome for each item, in order; see `Engine.map`.

        `per="device"` is one worker, which has the machine and its accelerator to itself.
        """
        n_workers = 1 if per == "device" else self.n_workers
        job: _Job[Item, Value] = _Job(
            pickle.dumps(function), iter(items), time_limit_s, self._idle, n_workers
        )
        try:
            yield from job.outcomes()
        finally:
            job.end()

    def close(self) -> None:
        """End the workers."""
        end_all(self._idle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def n_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Job(Generic[Item, Value]):
    """One call of `map`: which worker has which item, and what is done but not yet yielded."""

    def __init__(
        self,
        function: bytes,
        items: Iterator[Item],
        limit: float | Callable[[Item], float] | None,
        idle: list[Worker],
        n_workers: int,
    ) -> None:
        self.function = function
        self.items = items
        self.limit = limit
        self.idle = idle
        self.n_workers = n_workers
        self.busy: dict[Worker, tuple[int, Item]] = {}
        self.done: dict[int, Outcome[Item, Value]] = {}
        self.n_started = 0
        self.n_yielded = 0
        self.exhausted = False

    def outcomes(self) -> Iterator[Outcome[Item, Value]]:
        """Yield the outcomes in the order of the items."""
        while True:
            self._fill()
            while self.n_yielded in self.done:
                yield self.done.pop(self.n_yielded)
                self.n_yielded += 1
                self._fill()
            if self.busy:
                self._wait()
            elif self.exhausted:
                return

    def end(self) -> None:
        """Kill the workers that still work; the idle ones stay for the next map."""
        for worker in self.busy:
            worker.end()
        self.busy.clear()

    def _fill(self) -> None:
        """Give every free worker an item, within the look-ahead."""
        window = LOOK_AHEAD * self.n_workers
        while (
            not self.exhausted
            and len(self.busy) < self.n_workers
            and self.n_started - self.n_yielded < window
        ):
            try:
                item = next(self.items)
            except StopIteration:
                self.exhausted = True
                return
            number, self.n_started = self.n_started, self.n_started + 1
            self._start(number, item)

    def _start(self, number: int, item: Item) -> None:
        worker = self.idle.pop() if self.idle else Worker()
        limit_s = self.limit(item) if callable(self.limit) else self.limit
        try:
            worker.start(self.function, pickle.dumps(item, protocol=5), limit_s)
        except OSError:
            self.done[number] = _failed(item, "crashed", describe_exit(worker.end()))
        except BaseException:
            worker.end()
            raise
        else:
            self.busy[worker] = (number, item)

    def _wait(self) -> None:
        """Collect the answers that are there; end the workers that died or are late."""
        now = time.monotonic()
        patience = max(0.0, min(worker.deadline for worker in self.busy) - now)
        by_connection = {worker.connection: worker for worker in self.busy}
        for ready in wait(list(by_connection), min(patience, 3600.0)):
            self._collect(by_connection[ready])  # type: ignore[index]
        now = time.monotonic()
        for worker in [worker for worker in self.busy if worker.deadline <= now]:
            number, item = self.busy.pop(worker)
            worker.end()
            self.done[number] = _failed(item, "timed_out", f"took more than {worker.limit_s:g} s")

    def _collect(self, worker: Worker) -> None:
        """Take an answer: the value of the item, or that the function has been loaded."""
        number, item = self.busy[worker]
        try:
            answer = worker.connection.recv_bytes()
        except (OSError, EOFError):
            del self.busy[worker]
            self.done[number] = _failed(item, "crashed", describe_exit(worker.end()))
            return
        try:
            kind, value = pickle.loads(answer)  # noqa: S301  (from our own worker)
        except Exception as error:
            kind, value = "raised", f"the value cannot be sent back: {error}"
        if worker.is_loading:
            if kind == "raised":
                raise TypeError(f"a worker cannot load the function: {value}")
            worker.start_clock()
            return
        del self.busy[worker]
        self.idle.append(worker)
        if kind == "value":
            self.done[number] = Outcome(item, value)
        else:
            self.done[number] = _failed(item, "raised", value)


def _failed(item: Item, reason: Any, detail: str) -> Outcome[Item, Any]:
    return Outcome(item, None, Failure(reason, detail))
