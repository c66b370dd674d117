"""One way through the requests: which are under way, and what became of each.

Requests are taken from an iterable only as calls can begin, and each is tried by a task of its own.
Where several processes ask at the same time, `Others` says what they know and do: a request that
another one has under way is put off until that one has its answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from homing.llm.asking import Asker, Outcome, Wanted
from homing.llm.ledger import Spent
from homing.llm.limiter import Turn
from homing.llm.tries import GRACE_S
from homing.progress import Task

PULLS_BEFORE_OTHERS = 64
"""After so many requests without a call, those under way get their turn of the event loop."""
LOOKED_UP_AT_ONCE = 32
"""So many requests are made before the first of them is asked, where others are asked first."""
AHEAD = 8
"""So many requests wait for their turn, where it takes a message to get one."""
PUT_OFF_S = 0.1


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


class LookedUp(NamedTuple):
    """What others know of some requests, beside the answers, which are in the ledger by now.

    Attributes:
        taken: Keys of those that others have under way.
        given_up: Key -> what became of those that others tried in vain.
    """

    taken: AbstractSet[str]
    given_up: Mapping[str, Outcome]


class Others(Protocol):
    """The processes that ask at the same time, as one of them sees them."""

    async def look_up(self, keys: Sequence[str]) -> LookedUp:
        """Return what is known of requests; those that nobody has under way are now this one's."""
        ...

    def settled(self, key: str, outcome: Outcome) -> None:
        """Tell what became of a request, once for each time that it was wanted."""
        ...


class Errand:
    """The requests of one run, in one event loop.

    Args:
        others: None where nobody else asks.
    """

    def __init__(self, asker: Asker, task: Task, others: Others | None = None) -> None:
        self._asker = asker
        self._task = task
        self._others = others
        self._counts = dict.fromkeys(Outcome, 0)
        self._open: dict[str, asyncio.Task[None]] = {}
        self._repeats: dict[str, int] = {}
        self._given_up: dict[str, Outcome] = {}
        self._is_fed = False
        asker.show = self._show
        # Those that pause between two tries take no turn, but are held in memory all the same.
        self._room = asyncio.Semaphore(2 * asker.limits.max_concurrency)
        self._ahead = asyncio.Semaphore(AHEAD)

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

    def fail(self, error: Exception) -> None:
        """Let `all` stop what is under way, and raise."""
        if not self._end.done():
            self._end.set_exception(error)

    async def _feed(self, wanted: Iterator[Wanted]) -> None:
        """Begin a call whenever there is room for one, until nothing is left to ask."""
        try:
            async for item in self._to_ask(wanted):
                await self._room.acquire()
                turn = None
                if self._others is None:
                    turn = await self._asker.limiter.turn()
                else:
                    await self._ahead.acquire()
                self._open[item.key] = asyncio.create_task(self._settle(item, turn))
            self._is_fed = True
            self._end_if_done()
        except Exception as error:  # raised again by `all`
            self.fail(error)

    async def _to_ask(self, wanted: Iterator[Wanted]) -> AsyncIterator[Wanted]:
        """Yield the requests of which nothing is known, and count the others."""
        n = 0
        async for item in self._looked_up(wanted):
            if n % PULLS_BEFORE_OTHERS == 0:
                await asyncio.sleep(0)
            n += 1
            if item.key in self._open:
                self._repeats[item.key] = self._repeats.get(item.key, 0) + 1
                continue
            known = self._given_up.get(item.key) or self._asker.known(item.key)
            if known is None and self._asker.budget.is_exhausted:
                known = Outcome.LEFT
            if known is None:
                yield item
            else:
                self._count(known, item.key)

    async def _looked_up(self, wanted: Iterator[Wanted]) -> AsyncIterator[Wanted]:
        """Yield the requests, each when all that others know of it is known here."""
        if self._others is None:
            for item in wanted:
                yield item
            return
        put_off: list[Wanted] = []
        while items := list(islice(wanted, LOOKED_UP_AT_ONCE)) or put_off:
            if items is put_off:
                put_off = []
                await asyncio.sleep(PUT_OFF_S)
            taken = await self._look_up(items)
            for item in items:
                if item.key in taken:
                    put_off.append(item)
                else:
                    yield item

    async def _look_up(self, items: Sequence[Wanted]) -> AbstractSet[str]:
        assert self._others is not None
        keys = list(dict.fromkeys(item.key for item in items if item.key not in self._open))
        found = await self._others.look_up(keys)
        self._given_up.update(found.given_up)
        return found.taken

    async def _settle(self, item: Wanted, turn: Turn | None) -> None:
        """Ask for one request, and count what becomes of it."""
        try:
            outcome = await self._asker.ask(item, turn or await self._turn())
        except Exception as error:  # raised again by `all`
            self.fail(error)
            return
        finally:
            del self._open[item.key]
            self._room.release()
        if outcome in (Outcome.FAILED, Outcome.UNUSABLE):
            self._given_up[item.key] = outcome
        self._count(outcome, item.key)
        for _ in range(self._repeats.pop(item.key, 0)):
            again = Outcome.FOUND if outcome is Outcome.ANSWERED else outcome
            self._count(again, item.key)
        self._end_if_done()

    async def _turn(self) -> Turn:
        """Wait for a turn, and make room for the next request to do so."""
        try:
            return await self._asker.limiter.turn()
        finally:
            self._ahead.release()

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

    def _count(self, outcome: Outcome, key: str) -> None:
        self._counts[outcome] += 1
        if self._others is not None:
            self._others.settled(key, outcome)
        if outcome is not Outcome.LEFT:
            self._show(1, n_found=outcome is Outcome.FOUND)

    def _show(self, n_done: int = 0, *, n_found: int = 0) -> None:
        if self._others is not None:  # they are shown together
            return
        pace, spent = self._asker.limiter.pace, self._asker.spent
        n_failed = self._counts[Outcome.FAILED]
        self._task.note(state_of_calls(spent, n_failed, pace.limit, pace.pause_s))
        self._task.advance(n_done, before=n_found)


def state_of_calls(spent: Spent, n_failed: int, n_at_once: int, pause_s: float) -> str:
    """Return what stands beside the bar, such as "$0.12, 3 failed, 64 at once"."""
    parts = [f"${spent.price_usd:.2f}"] if spent.price_usd else []
    parts += [f"{n_failed:,} failed"] if n_failed else []
    if pause_s >= 1:
        parts.append(f"waiting {pause_s:.0f} s, as the server asks")
    elif spent.n_calls:
        parts.append(f"{n_at_once} at once")
    return ", ".join(parts)
