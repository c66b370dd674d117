"""A map per core: a stream of Ray's tasks, each of which does one piece.

Plain tasks and not Ray Data, whose start costs every job some seconds of the cores that are to do
the work, and which reads its items in windows with a wait after each. A piece whose worker or node
is lost is done again elsewhere by Ray, also one that is done and whose answers lay there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic

from homing.engine.base import EngineError, Item
from homing.engine.ray_cluster import machines
from homing.engine.ray_pool import n_cores
from homing.engine.ray_relay import Answer, answers_in, present_surroundings, relay, work_of
from homing.engine.ray_windows import PIECE_BYTES, Pace, read_window

LOOK_AHEAD = 16
"""Pieces for each worker that may be begun before the oldest unfinished one is yielded."""
IN_LINE = 2
"""Pieces for each core: one that is done, and one that waits for its end."""
TRIES = 10
"""So often Ray does a piece again whose worker or node is lost."""
LOOK_S = 5.0
"""How often is looked how many cores there are: nodes come and go."""


@dataclass(eq=False)
class TaskStream(Generic[Item]):
    """One map: what is read, begun, done and not yet yielded.

    Attributes:
        function: Pickled.
        items: As far as they are not read.
        limit: Seconds for an item, as an engine's map takes it.
        n_workers: The most pieces at a time; None for as many as there are cores.
    """

    function: bytes
    items: Iterator[Item]
    limit: float | Callable[[Item], float] | None
    n_workers: int | None
    _order: deque[tuple[list[Item], Any]] = field(default_factory=deque)
    _unfinished: set[Any] = field(default_factory=set)
    _pace: Pace = field(default_factory=Pace)
    _is_read: bool = False
    _looked: float = float("-inf")
    _most: int = 1

    def answers(self) -> Generator[tuple[Item, Answer], None, None]:
        """Yield each item with its answer, in order.

        Raises:
            TypeError: The workers cannot load the function.
            EngineError: Ray gave up.
        """
        import ray

        task, shared = _task(), ray.put((self.function, present_surroundings(n_threads=1)))
        try:
            while True:
                self._begin(task, shared)
                if not self._order:
                    return
                items, reference = self._order[0]
                if reference in self._unfinished:
                    self._wait()
                    continue
                self._order.popleft()
                answers = answers_in(_got(reference))
                self._pace.seconds.extend(answer.seconds for answer in answers)
                yield from zip(items, answers, strict=True)
        finally:
            self._stop()

    def _begin(self, task: Any, shared: Any) -> None:
        """Begin as many pieces as there is room for."""
        if time.monotonic() - self._looked > LOOK_S:
            self._most = self._room()
            self._looked = time.monotonic()
        while (
            not self._is_read
            and len(self._unfinished) < self._most
            and len(self._order) < LOOK_AHEAD * self._most
        ):
            window = read_window(self.items, self._pace.piece_items(), self.limit, PIECE_BYTES)
            if not window.items:
                self._is_read = True
                return
            reference = task.remote(work_of(window.sealed), shared)
            self._order.append((window.items, reference))
            self._unfinished.add(reference)

    def _room(self) -> int:
        """Return how many pieces may be unfinished at a time."""
        n = n_cores(machines())
        if self.n_workers is None:
            return IN_LINE * n
        # Where fewer are wished for nothing may wait in line, or other cores would take it; where
        # more are, an autoscaling cluster sees how many cores are wanted.
        return self.n_workers if self.n_workers < n else max(self.n_workers, IN_LINE * n)

    def _wait(self) -> None:
        """Wait for a piece to be done; note all that are."""
        import ray

        left = list(self._unfinished)
        done, left = ray.wait(left, num_returns=1, timeout=LOOK_S)
        if done and left:
            more, _ = ray.wait(left, num_returns=len(left), timeout=0)
            done += more
        self._unfinished.difference_update(done)

    def _stop(self) -> None:
        """End what is under way now; left alone, it would be finished first."""
        import ray

        for reference in self._unfinished:
            ray.cancel(reference, force=True)
        self._unfinished.clear()
        self._order.clear()


@lru_cache(1)
def _task() -> Any:
    """Return the task, the same for every map: Ray keeps what it was once told of it."""
    import ray

    options = {"num_cpus": 1, "max_retries": TRIES, "scheduling_strategy": "SPREAD"}
    return ray.remote(**options)(relay)


def _got(reference: Any) -> Any:
    import ray

    try:
        return ray.get(reference)
    except Exception as error:
        raise EngineError(gave_up(error)) from error


def gave_up(error: Exception) -> str:
    """Return what is to be said of an error that Ray raised instead of an answer."""
    said = " ".join(str(error).split())
    said = said if len(said) <= 600 else f"{said[:200]} ... {said[-400:]}"
    return (
        f"Ray could not finish: {type(error).__name__}: {said.rstrip('.')}. What was finished is "
        "kept: run the same command again, which continues. Homing has to be installed on every "
        "node of the cluster, in the same version; HOMING_DEBUG=1 shows all that Ray says."
    )
