"""What every engine offers: a map over items in which one bad item costs that item alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Literal, Protocol, Self, TypeVar

from homing.errors import HomingError

Item = TypeVar("Item")
Value = TypeVar("Value")

FailureReason = Literal["crashed", "timed_out", "raised"]
Per = Literal["core", "device"]
"""How many workers a map gets: one for each core, or one for each accelerator, and where there is
none one for each machine, with all of its cores."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item has no value.

    Attributes:
        reason: "crashed" (its process died), "timed_out", or "raised" (an exception).
        detail: What happened, for a person.
    """

    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Value]):
    """What became of one item: `value` holds when `failure` is None."""

    item: Item
    value: Value | None = None
    failure: Failure | None = None


class Engine(Protocol):
    """Runs one function over many items; use it in a `with` block, or close it."""

    name: str

    def map(
        self,
        function: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        time_limit_s: float | Callable[[Item], float] | None = None,
        per: Per = "core",
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield one outcome for each item, in the order of the items.

        Args:
            function: Importable by name (no lambda, nothing from `__main__`), a
                `functools.partial` of such, or an object with `__call__`; it and its values must
                be picklable. Each worker gets a copy once, so an object may load what it needs at
                its first item and keep it: a model, a client.
            items: May be a generator; it is read only a little ahead of what was yielded.
            time_limit_s: For one item; a function gives each item its own; None for no limit.
            per: How many workers there are.
        """
        ...

    def close(self) -> None:
        """End the workers."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class EngineError(HomingError):
    """Work that has to succeed did not; the message says which and why."""


def values_of(outcomes: Iterable[Outcome[Item, Value]]) -> Iterator[Value]:
    """Yield the values of outcomes none of which may fail.

    Raises:
        EngineError: One did.
    """
    for outcome in outcomes:
        if outcome.failure is not None:
            raise EngineError(
                f"A worker could not finish its part: {outcome.failure.detail}. What other workers "
                "finished is kept: run the same command again, which continues."
            )
        yield outcome.value  # type: ignore[misc]  # None is a value, too
