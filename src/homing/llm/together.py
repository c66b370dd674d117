"""Asking together with others: a worker asks like anybody else, and shares what is shared.

`ask_with_others` has the signature of `dispatch.ask_all`. Turns and money come from the
switchboard, what the main ledger knows of a request is fetched before it is asked, and each answer
is told in the moment it is recorded. When the line breaks, or another worker has found that no
request will be answered, calls under way get `GRACE_S` to bring what is paid for, and that is all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from homing.llm.asking import Asker, Outcome, Wanted
from homing.llm.budget import Budget, most_input
from homing.llm.dispatch import run_loop
from homing.llm.errand import Asked, Errand, LookedUp
from homing.llm.ledger import Ledger
from homing.llm.ledger_sharing import CallRow, FailureRow, WorkerLedger
from homing.llm.limiter import Limiter, Pace, Turn
from homing.llm.line import Line, StoppedError
from homing.llm.provider import ChatAnswer, ChatRequest, Provider
from homing.llm.switchboard import Door
from homing.llm.tries import Limits, new_limiter
from homing.progress import Task

KEYS_AT_ONCE = 500


class SharedLimiter(Limiter):
    """Turns that come from the switchboard, in the order in which they are asked for."""

    def __init__(self, line: Line) -> None:
        super().__init__(Pace(1))
        self._line = line
        self._places: deque[asyncio.Future[Turn]] = deque()
        line.on_turn = self._granted

    async def turn(self) -> Turn:
        """See `Limiter.turn`."""
        if self._line.ended is not None:
            raise self._line.ended
        place: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._places.append(place)
        self._line.tell("turn")
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give_back(place.result())
            raise  # else it stays in the queue, for its turn to be given back when it comes

    def answered(self, turn: Turn, seconds: float) -> None:
        """See `Limiter.answered`."""
        self._line.tell("answered", turn.number, seconds)

    def limited(self, turn: Turn, retry_after_s: float | None = None) -> None:
        """See `Limiter.limited`."""
        self._line.tell("limited", turn.number, retry_after_s)

    def give_back(self, turn: Turn) -> None:
        """See `Limiter.give_back`."""
        self._line.tell("back", turn.number)

    def _granted(self, turn: Turn) -> None:
        place = self._places.popleft()
        if place.done():
            self.give_back(turn)
        else:
            place.set_result(turn)


class SharedBudget(Budget):
    """Money that the switchboard keeps."""

    def __init__(self, line: Line, per_million: tuple[float, float] | None) -> None:
        super().__init__(None, per_million)
        self._line = line

    async def keep(self, request: ChatRequest, *, is_longer: bool = False) -> float | None:
        """See `Budget.keep`."""
        if self.is_exhausted:
            return None
        n_input = most_input(request)
        (kept,) = await self._line.ask("keep", n_input, request.max_tokens, is_longer)
        self.is_exhausted = kept is None
        return None if kept is None else float(kept)

    def settle(
        self,
        kept_usd: float,
        price_usd: float | None = None,
        output_tokens: int = 0,
        *,
        may_be_billed: bool = False,
    ) -> None:
        """See `Budget.settle`."""
        super().settle(kept_usd, price_usd, output_tokens)
        self._line.tell("settle", kept_usd, price_usd, output_tokens, may_be_billed)


class Fellows:
    """The other workers, by way of the switchboard; implements `Others`."""

    def __init__(self, line: Line, ledger: WorkerLedger) -> None:
        self._line = line
        self._ledger = ledger

    async def look_up(self, keys: Sequence[str]) -> LookedUp:
        """See `Others.look_up`."""
        calls, failures, taken, given_up = await self._line.ask("known", list(keys))
        self._ledger.take(
            (CallRow(*call) for call in calls), (FailureRow(*failure) for failure in failures)
        )
        return LookedUp(set(taken), {key: Outcome[name] for key, name in given_up.items()})

    def settled(self, key: str, outcome: Outcome) -> None:
        """See `Others.settled`."""
        self._line.tell("settled", key, outcome.name)


def ask_with_others(
    provider: Provider,
    wanted: Iterable[Wanted],
    ledger: Ledger,
    *,
    purpose: str,
    understand: Callable[[ChatAnswer], bool],
    limits: Limits,
    per_million: tuple[float, float] | None = None,
    budget_usd: float | None = None,
    spent_usd: float = 0.0,
    again: bool = False,
    title: str = "Asking",
    total: int | None = None,
    door: Door,
    left_behind: Iterable[CallRow] = (),
) -> Asked:
    """Return what became of the requests; see `dispatch.ask_all`, and the module.

    Args:
        ledger: A `WorkerLedger`; afterwards it holds all that the main one knows of the requests.
        budget_usd: The switchboard knows it, and what was spent.
        door: Of the switchboard.
        left_behind: Answers that a worker before this one was given, and may not have told.

    Raises:
        StoppedError: Another worker, or the driver, ended the asking.
    """
    assert isinstance(ledger, WorkerLedger)

    async def ask() -> Asked:
        line = await Line.open(door)
        own = None if door.shares_pace else new_limiter(limits)
        asker = Asker(
            provider,
            ledger,
            SharedBudget(line, per_million) if door.has_budget else Budget(None, per_million),
            limits,
            purpose=purpose,
            understand=understand,
            per_million=per_million,
            again=again,
            limiter=own or SharedLimiter(line),
        )
        errand = Errand(asker, Task(title, total), Fellows(line, ledger))
        ledger.tell = line.tell
        try:
            for row in left_behind:
                line.tell("call", row)
            if line.ended is not None:
                raise line.ended
            line.on_end = errand.fail
            asked = await errand.all(iter(wanted))
            await line.ask("done")
        except StoppedError:
            raise
        except Exception as error:  # raised again: the others are to stop, too
            line.tell("stop", str(error))
            raise
        else:
            return asked
        finally:
            ledger.tell = lambda *said: None
            await line.close()

    return run_loop(ask())


def count_spent(keys: Iterable[str], door: Door) -> None:
    """Let the switchboard know that these requests are of this job, whatever they cost before."""

    async def tell() -> None:
        line = await Line.open(door)
        left = iter(keys)
        try:
            while part := list(islice(left, KEYS_AT_ONCE)):
                await line.ask("spent", part)
        finally:
            await line.close()

    run_loop(tell())
