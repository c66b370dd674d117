"""Which things belong together, given pairs that do."""

from __future__ import annotations


class UnionFind:
    """Sets of the numbers 0 to n-1 that grow together; the smallest number stands for its set."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def find(self, item: int) -> int:
        """Return the smallest member of the item's set."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def join(self, a: int, b: int) -> None:
        """Make one set of the sets of `a` and `b`."""
        low, high = sorted((self.find(a), self.find(b)))
        self._parent[high] = low

    def roots(self) -> list[int]:
        """Return for each number the smallest member of its set."""
        return [self.find(item) for item in range(len(self._parent))]
