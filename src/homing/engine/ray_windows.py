"""How much of the items goes to Ray at once: pieces of bearable length and bounded size.

A *piece* is what a worker gets at once, and what is done again when its node dies. How long an item
takes is not known before: the first pieces are single items, and what was taken last decides how
many go together next.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from typing import Generic

from homing.engine.base import Item
from homing.engine.ray_relay import Sealed

WINDOW_PIECES = 8_192
WINDOW_BYTES = 64 << 20
PIECE_BYTES = 8 << 20
"""Of pickled items that are read at once; one item more may be among them."""
PIECE_S = 0.5
"""What handing a piece over costs (milliseconds) is small against this, and so is its loss."""
PIECE_ITEMS = 1024
REMEMBERED = 256
"""Items whose time says what the next take."""


@dataclass(frozen=True, slots=True)
class Window(Generic[Item]):
    """Items that were read, and the same as workers get them."""

    items: list[Item]
    sealed: list[Sealed]

    def singles(self) -> list[Sequence[Sealed]]:
        """Return the sealed items, each by itself."""
        return [[sealed] for sealed in self.sealed]


@dataclass(slots=True)
class Pace:
    """How many items make a piece.

    Attributes:
        seconds: What each of the last items took.
    """

    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def piece_items(self) -> int:
        """Return how many items take about `PIECE_S`; one as long as nothing is known."""
        if not self.seconds:
            return 1
        return max(1, min(PIECE_ITEMS, int(PIECE_S / max(median(self.seconds), 1e-6))))


def read_window(
    items: Iterator[Item],
    n_items: int,
    limit: float | Callable[[Item], float] | None,
    n_bytes: int = WINDOW_BYTES,
) -> Window[Item]:
    """Return the next items, at most so many and so many bytes; none when there are none.

    Args:
        limit: Seconds for one item, as an engine's map takes it.
        n_bytes: Of pickled items; the last one may pass it.
    """
    window: Window[Item] = Window([], [])
    n_read = 0
    for item in islice(items, n_items):
        limit_s = limit(item) if callable(limit) else limit
        sealed = Sealed(pickle.dumps(item, protocol=5), limit_s)
        window.items.append(item)
        window.sealed.append(sealed)
        n_read += len(sealed.payload)
        if n_read >= n_bytes:
            break
    return window
