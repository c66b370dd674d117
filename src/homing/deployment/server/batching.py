"""Texts of many requests in one run of the model, a few runs at a time.

While runs are on, what arrives waits; the next run takes of all that waits, in the order of arrival
and of each request so much that none keeps the others waiting: a request of a thousand passages is
done in slices, between which single questions pass. Cost: one hop to another thread a run.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Left = Callable[[], Awaitable[bool]]
LOOK_AFTER_S = 0.2
"""Who has waited so long may have left."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How runs are made up.

    Attributes:
        max_tokens: Of all texts in a run, as they are estimated.
        share_tokens: Of the texts of one request, before the others have their turn.
        wait_s: How long the first of a run waits for others.
        n_runs: Runs at the same time, each in a thread of its own.
    """

    max_tokens: int = 512
    share_tokens: int = 256
    wait_s: float = 0.001
    n_runs: int = 1


class _Job(Generic[Item, Result]):
    """A request's items, how far they are, and who waits for them."""

    __slots__ = ("costs", "done", "found", "has_left", "items", "looked_at", "n_found", "n_taken")

    def __init__(
        self, items: Sequence[Item], costs: Sequence[int], done: asyncio.Future[None], left: Left
    ) -> None:
        self.items, self.costs, self.done, self.has_left = items, costs, done, left
        self.n_taken = self.n_found = 0
        self.found: list[Any] = [None] * len(items)
        self.looked_at = time.monotonic()

    @property
    def is_waiting(self) -> bool:
        """Whether something of it was not begun."""
        return self.n_taken < len(self.items)

    @property
    def next_cost(self) -> int:
        """Tokens of what would be begun next."""
        return self.costs[self.n_taken]

    def take(self, share: int) -> int:
        """Return what the next items cost, at least one, that are now taken."""
        start = self.n_taken
        while self.is_waiting and (share > 0 or self.n_taken == start):
            share -= self.costs[self.n_taken]
            self.n_taken += 1
        return sum(self.costs[start : self.n_taken])


_Part = tuple[_Job[Any, Any], int, int]


class Batcher(Generic[Item, Result]):
    """Runs one kind of work over items of many requests; use it as `async with`."""

    def __init__(
        self,
        work: Callable[[list[Item]], Sequence[Result]],
        executor: Executor,
        *,
        batching: Batching,
        on_run: Callable[[int, float], None] = lambda n, seconds: None,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            work: Returns one result for each item; called in the executor.
            on_run: Told how many items a run had and how many seconds it took.
        """
        self._work = work
        self._executor = executor
        self._batching = batching
        self._on_run = on_run
        self._waiting: deque[_Job[Item, Result]] = deque()
        self._arrived = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._cost_waiting = 0
        self._n_idle = batching.n_runs
        self.n_waiting = 0

    async def __aenter__(self) -> Batcher[Item, Result]:
        self._loops = [asyncio.create_task(self._run()) for _ in range(self._batching.n_runs)]
        return self

    async def __aexit__(self, *exit_: object) -> None:
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def do(self, items: Sequence[Item], costs: Sequence[int], left: Left) -> list[Result]:
        """Return one result for each item.

        When the caller is cancelled, what was not begun is not done.

        Args:
            costs: Tokens of each item, as they are estimated.
            left: Says whether nobody waits any more.
        """
        if not items:
            return []
        # The longest first, so that what is done together is of like length.
        order = sorted(range(len(items)), key=lambda place: -costs[place])
        done = asyncio.get_running_loop().create_future()
        job = _Job[Item, Result]([items[n] for n in order], [costs[n] for n in order], done, left)
        self._waiting.append(job)
        self.n_waiting += len(items)
        self._cost_waiting += sum(costs)
        self._arrived.set()
        try:
            await job.done
        finally:
            self._forget(job)
        results: list[Any] = [None] * len(items)
        for place, result in zip(order, job.found, strict=True):
            results[place] = result
        return results

    def _forget(self, job: _Job[Item, Result]) -> None:
        """Count what was not begun as no longer waiting; the job itself is passed over."""
        self.n_waiting -= len(job.items) - job.n_taken
        self._cost_waiting -= sum(job.costs[job.n_taken :])
        job.n_taken = len(job.items)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        parts: list[_Part] = []
        running: asyncio.Future[list[Any]] | None = None
        while True:
            while running is None and not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                # Those who were answered together ask again together.
                await asyncio.sleep(self._batching.wait_s)
            if running is not None:
                results = await running
                self._n_idle += 1
            else:
                results = []
            await self._pass_over_the_absent()
            finished, parts, running = parts, self._take(), None
            if parts:
                # The model goes on while the answers of its last run are sent.
                self._n_idle -= 1
                running = loop.run_in_executor(self._executor, self._do, parts)
            self._hand_out(finished, results)

    async def _pass_over_the_absent(self) -> None:
        now = time.monotonic()
        for job in [job for job in self._waiting if now - job.looked_at > LOOK_AFTER_S]:
            job.looked_at = now
            if not job.done.done() and await job.has_left():
                job.done.cancel()
                self._forget(job)

    def _take(self) -> list[_Part]:
        """Return what the next run does: (job, from, to) of those who wait.

        Whose turn it is comes first, then those whose next texts are of about the same length:
        texts of a run are filled up to the longest.
        """
        parts: list[_Part] = []
        most = self._batching.max_tokens
        # What is there is shared with the other runs that have nothing to do.
        room = min(most, max(most // 4, -(-self._cost_waiting // max(1, self._n_idle))))
        waiting = [job for job in self._waiting if job.is_waiting]
        while room > 0 and waiting:
            first, served = waiting[0].next_cost, set()
            for job in sorted(waiting, key=lambda job: abs(job.next_cost - first)):
                if room > 0:
                    start, cost = job.n_taken, job.take(min(room, self._batching.share_tokens))
                    room -= cost
                    self._cost_waiting -= cost
                    self.n_waiting -= job.n_taken - start
                    parts.append((job, start, job.n_taken))
                    served.add(id(job))
            behind = [job for job in waiting if id(job) in served and job.is_waiting]
            waiting = [job for job in waiting if id(job) not in served] + behind
        self._waiting = deque(waiting)
        return parts

    def _do(self, parts: Sequence[_Part]) -> list[Any]:
        """Return the results of each part, or the error in their place; runs in the executor.

        An error in a run of several is looked for in each alone: it costs no other request.
        """
        started = time.perf_counter()
        items = [item for job, start, stop in parts for item in job.items[start:stop]]
        try:
            found = self._work(items)
        except Exception as error:
            if len(parts) == 1:
                return [error]
            return [result for part in parts for result in self._do([part])]
        self._on_run(len(items), time.perf_counter() - started)
        results, end = [], 0
        for _, start, stop in parts:
            results.append(found[end : end + stop - start])
            end += stop - start
        return results

    def _hand_out(self, parts: Sequence[_Part], results: Sequence[Any]) -> None:
        for (job, start, stop), found in zip(parts, results, strict=True):
            if job.done.done():
                continue
            if isinstance(found, Exception):
                job.done.set_exception(found)
                continue
            job.found[start:stop] = found
            job.n_found += stop - start
            if job.n_found == len(job.items):
                job.done.set_result(None)
