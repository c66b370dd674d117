"""How much of the items goes to Ray at once: windows of bounded size, in pieces of bearable length.

A Ray Dataset is made of a list, so items are read one *window* at a time; the next is read when all
outcomes of the last are there. A *piece* is what an actor gets at once, and what is done again when
its node dies. How long an item takes is not known before: the first window is short and of
single items, and what it took decides the pieces of the next.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from typing import Generic

from homing.engine.base import Item
from homing.engine.ray_relay import Sealed

FIRST_ITEMS = 32
"""For each worker, in the first window: alone, they cost little, and waiting for the last of them
costs a worker at most as much as one of so many."""
WINDOW_ITEMS = 65_536
WINDOW_PIECES = 8_192
WINDOW_BYTES = 64 << 20
"""Of pickled items; one item more may be in it."""
PIECE_S = 0.5
"""What handing a piece over costs (milliseconds) is small against this, and so is its loss."""
PIECE_ITEMS = 1024
PIECES_PER_WORKER = 8
"""At least, as far as there are items: so that no worker waits long for the last one."""


@dataclass(frozen=True, slots=True)
class Window(Generic[Item]):
    """Items that were read, and the same as workers get them."""

    items: list[Item]
    sealed: list[Sealed]

    def pieces(self, n_items: int) -> list[Sequence[Sealed]]:
        """Return the sealed items in runs of `n_items`."""
        return [self.sealed[at : at + n_items] for at in range(0, len(self.sealed), n_items)]


@dataclass(slots=True)
class Pace:
    """How large windows and pieces are.

    Attributes:
        n_workers: Of the pool.
        is_heavy: Each item is known to be long: pieces are single items from the first window on,
            which is as large as any.
        seconds: What the items of the last window took, as far as they were counted.
    """

    n_workers: int
    is_heavy: bool
    seconds: list[float] = field(default_factory=list)

    def window_items(self) -> int:
        """Return how many items the next window may have."""
        if self.is_heavy:
            return WINDOW_PIECES
        if not self.seconds:
            return FIRST_ITEMS * self.n_workers
        return min(WINDOW_ITEMS, WINDOW_PIECES * self._quick_items())

    def piece_items(self, n_items: int) -> int:
        """Return how many of the window's `n_items` go into a piece."""
        if self.is_heavy or not self.seconds:
            return 1
        share = n_items // (PIECES_PER_WORKER * self.n_workers)
        return max(1, min(self._quick_items(), share))

    def _quick_items(self) -> int:
        """Return how many items take about `PIECE_S`."""
        return max(1, min(PIECE_ITEMS, int(PIECE_S / max(median(self.seconds), 1e-6))))


def read_window(
    items: Iterator[Item], n_items: int, limit: float | Callable[[Item], float] | None
) -> Window[Item]:
    """Return the next items, at most so many and `WINDOW_BYTES` of them; none when there are none.

    Args:
        limit: Seconds for one item, as an engine's map takes it.
    """
    window: Window[Item] = Window([], [])
    n_bytes = 0
    for item in islice(items, n_items):
        limit_s = limit(item) if callable(limit) else limit
        sealed = Sealed(pickle.dumps(item, protocol=5), limit_s)
        window.items.append(item)
        window.sealed.append(sealed)
        n_bytes += len(sealed.payload)
        if n_bytes >= WINDOW_BYTES:
            break
    return window
