"""Passages one after the other, each with those beside it; none but these three is held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol

from homing.types import Passage


class Passages(Protocol):
    """Passages in the order of their documents that can be read again, such as a list of them."""

    def __iter__(self) -> Iterator[Passage]: ...

    def __len__(self) -> int: ...


def with_neighbours(
    passages: Iterable[Passage],
) -> Iterator[tuple[Passage | None, Passage, Passage | None]]:
    """Yield each passage with the one before it and the one after it, None at the ends."""
    before: Passage | None = None
    passage: Passage | None = None
    for after in chain(passages, (None,)):
        if passage is not None:
            yield before, passage, after
        before, passage = passage, after
