"""What every engine offers: a map over items in which one bad item costs that item alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")

FailureReason = Literal["crashed", "timed_out", "raised"]


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
    """Runs one function over many items."""

    def map(
        self,
        function: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        time_limit_s: float | Callable[[Item], float] | None = None,
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield one outcome for each item, in the order of the items.

        Args:
            function: Importable by name (no lambda, nothing from `__main__`) or a
                `functools.partial` of such; it and its values must be picklable.
            items: May be a generator; it is read only a little ahead of what was yielded.
            time_limit_s: For one item; a function gives each item its own; None for no limit.
        """
        ...
