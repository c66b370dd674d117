"""Asks any number of requests of a provider, many at once, and keeps every answer at once.

The one door for those who want answers and do not care how: `ask_all` is an ordinary function
that runs the event loop inside. Requests are taken from an iterable only as calls can begin, so
that memory holds those under way and nothing else. Each is tried by a task of its own
(`errand.py`, `asking.py`); how many run is the limiter's to say, what may be spent the budget's.
Where several processes ask, see `together.py`. Cost: 0.15 ms of one core a call beside the
provider's own, 0.05 ms for one that is in the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, TypedDict, TypeVar

from homing.llm.asking import Asker, Wanted
from homing.llm.budget import Budget
from homing.llm.errand import Asked, Errand
from homing.llm.ledger import Ledger
from homing.llm.provider import ChatAnswer, Provider
from homing.llm.tries import Limits
from homing.progress import track

__all__ = ["AskOptions", "Asked", "Limits", "Wanted", "ask_all"]

T = TypeVar("T")


class AskOptions(TypedDict, total=False):
    """How hard to try and what to spend, as `ask_all` takes it, for those who pass it on."""

    limits: Limits
    per_million: tuple[float, float] | None
    budget_usd: float | None
    spent_usd: float
    again: bool


DEFAULT_LIMITS = Limits()


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
        return run_loop(Errand(asker, task).all(iter(wanted)))


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
