"""Asks any number of requests of a provider, many at once, and keeps every answer at once.

The one door for those who want answers and do not care how: `ask_all` is an ordinary function
that runs the event loop inside. Requests are taken from an iterable only as calls can begin, so
that memory holds those under way and nothing else. Each is tried by a task of its own
(`asking.py`); how many run is the limiter's to say, what may be spent the budget's. Cost: 0.15 ms
of one core a call beside the provider's own, 0.05 ms for one that is in the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from homing.llm.asking import Asker, Outcome, Wanted
from homing.llm.budget import Budget
from homing.llm.ledger import Ledger, Spent
from homing.llm.limiter import Turn
from homing.llm.provider import ChatAnswer, Provider
from homing.llm.tries import GRACE_S, Limits
from homing.progress import Task, track

__all__ = ["Asked", "Limits", "Wanted", "ask_all"]

T = TypeVar("T")
DEFAULT_LIMITS = Limits()
PULLS_BEFORE_OTHERS = 64
"""After so many requests without a call, those under way get their turn of the event loop."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of the requests; the counts add up to how many there were.

    Attributes:
        n_found: Were in the ledger, or were wanted twice.
        n_answered: Were asked and answered, now.
        n_unusable: Were answered so often in a way that could not be understood that they are
            given up; their answers are in the ledger.
        n_failed: Could not be had; the ledger lists them with the reasons.
        n_left: Were not asked, because the budget did not last.
        spent: What this run paid for, answers of no use included.
    """

    n_found: int
    n_answered: int
    n_unusable: int
    n_failed: int
    n_left: int
    spent: Spent
    stopped_by_budget: bool
    seconds: float


def ask_all(
    provider: Provider,
    wanted: Iterable[Wanted],
    ledger: Ledger,
    *,
    purpose: str,
    understand: Callable[[ChatAnswer], bool],
    limits: Limits = DEFAULT_LIMITS,
    per_million: tuple[float, float] | None = None,
    budget_usd: float | None = None,
    spent_usd: float = 0.0,
    again: bool = False,
    title: str = "Asking",
    total: int | None = None,
) -> Asked:
    """Return what became of the requests, once each is answered, given up or out of budget.

    The answers are in the ledger, under their keys. Whatever stops this, an error, Ctrl-C or
    `kill -9`, what was answered is kept; called again, it asks for what is missing. The provider
    is not closed.

    Args:
        wanted: Taken from as calls can begin; a key that comes twice is asked once.
        purpose: "write", "judge" or "relevance".
        understand: Whether an answer is of use; one that is not is asked again.
        per_million: Dollars for a million (input, output) tokens; None if not known.
        budget_usd: Most dollars of `spent_usd` and this run together.
        again: Whether what was given up as unusable before gets as many tries once more.
        total: How many are wanted, for the progress bar.

    Raises:
        ProviderError: The provider will answer none of them.
        UsageError: There is a budget but no price.
    """
    budget = Budget(budget_usd, per_million, spent_usd)
    asker = Asker(
        provider,
        ledger,
        budget,
        limits,
        purpose=purpose,
        understand=understand,
        per_million=per_million,
        again=again,
    )
    with track(title, total) as task:
        return run_loop(_Run(asker, task).all(iter(wanted)))


class _Run:
    """One way through the requests."""

    def __init__(self, asker: Asker, task: Task) -> None:
        self._asker = asker
        self._task = task
        self._counts = dict.fromkeys(Outcome, 0)
        self._open: dict[str, asyncio.Task[None]] = {}
        self._repeats: dict[str, int] = {}
        self._given_up: dict[str, Outcome] = {}
        self._is_fed = False
        asker.show = self._show
        # Those that pause between two tries take no turn, but are held in memory all the same.
        self._room = asyncio.Semaphore(2 * asker.limits.max_concurrency)

    async def all(self, wanted: Iterator[Wanted]) -> Asked:
        """Return what became of the requests."""
        began = time.monotonic()
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        feeding = asyncio.create_task(self._feed(wanted))
        try:
            await self._end
        except BaseException:  # the provider's, or Ctrl-C; raised again
            feeding.cancel()
            await self._stop()
            raise
        finally:
            self._asker.limiter.close()
        return Asked(
            n_found=self._counts[Outcome.FOUND],
            n_answered=self._counts[Outcome.ANSWERED],
            n_unusable=self._counts[Outcome.UNUSABLE],
            n_failed=self._counts[Outcome.FAILED],
            n_left=self._counts[Outcome.LEFT],
            spent=self._asker.spent,
            stopped_by_budget=self._asker.budget.is_exhausted,
            seconds=time.monotonic() - began,
        )

    async def _feed(self, wanted: Iterator[Wanted]) -> None:
        """Begin a call whenever there is room for one, until nothing is left to ask."""
        try:
            async for item in self._to_ask(wanted):
                await self._room.acquire()
                turn = await self._asker.limiter.turn()
                self._open[item.key] = asyncio.create_task(self._settle(item, turn))
            self._is_fed = True
            self._end_if_done()
        except Exception as error:  # raised again by `all`
            self._fail(error)

    async def _to_ask(self, wanted: Iterator[Wanted]) -> AsyncIterator[Wanted]:
        """Yield the requests of which nothing is known, and count the others."""
        for n, item in enumerate(wanted):
            if n % PULLS_BEFORE_OTHERS == 0:
                await asyncio.sleep(0)
            if item.key in self._open:
                self._repeats[item.key] = self._repeats.get(item.key, 0) + 1
                continue
            known = self._given_up.get(item.key) or self._asker.known(item.key)
            if known is None and self._asker.budget.is_exhausted:
                known = Outcome.LEFT
            if known is None:
                yield item
            else:
                self._count(known)

    async def _settle(self, item: Wanted, turn: Turn) -> None:
        """Ask for one request, and count what becomes of it."""
        try:
            outcome = await self._asker.ask(item, turn)
        except Exception as error:  # raised again by `all`
            self._fail(error)
            return
        finally:
            del self._open[item.key]
            self._room.release()
        if outcome in (Outcome.FAILED, Outcome.UNUSABLE):
            self._given_up[item.key] = outcome
        self._count(outcome)
        for _ in range(self._repeats.pop(item.key, 0)):
            self._count(Outcome.FOUND if outcome is Outcome.ANSWERED else outcome)
        self._end_if_done()

    def _fail(self, error: Exception) -> None:
        if not self._end.done():
            self._end.set_exception(error)

    def _end_if_done(self) -> None:
        if self._is_fed and not self._open and not self._end.done():
            self._end.set_result(None)

    async def _stop(self) -> None:
        """Let answers come that are nearly here, and cancel the rest."""
        self._asker.is_stopping = True
        tasks = list(self._open.values())
        if self._asker.under_way:
            await asyncio.wait(self._asker.under_way, timeout=GRACE_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _count(self, outcome: Outcome) -> None:
        self._counts[outcome] += 1
        if outcome is not Outcome.LEFT:
            self._show(1)

    def _show(self, n_done: int = 0) -> None:
        pace, spent = self._asker.limiter.pace, self._asker.spent
        parts = [f"${spent.price_usd:.2f}"] if spent.price_usd else []
        parts += [f"{n:,} failed"] if (n := self._counts[Outcome.FAILED]) else []
        if pace.pause_s >= 1:
            parts.append(f"waiting {pace.pause_s:.0f} s, as the server asks")
        elif spent.n_calls:
            parts.append(f"{pace.limit} at once")
        self._task.note(", ".join(parts))
        self._task.advance(n_done)


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine does, also where an event loop runs already, as in a notebook."""
    with _outside_of_loops(), asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(main)


@contextlib.contextmanager
def _outside_of_loops() -> Iterator[None]:
    """Let another event loop run in this thread; the one outside stands still, as for any call."""
    loop = asyncio.events._get_running_loop()
    if loop is None:
        yield
        return
    task = asyncio.current_task(loop)
    asyncio.events._set_running_loop(None)
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    try:
        yield
    finally:
        asyncio.events._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)
