"""The `k` best of each row of scores, exactly, whether the scores come at once or tile by tile.

A row's threshold, its k-th best so far, lets through only what can still matter: of n scores in
random order about k ln(n / k). Cost: one comparison a score; memory beside the scores: one byte for
each of a tile's, and 16 bytes a row for each of `k + SPARE`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homing.types import FloatArray, IntArray

SPARE = 256
"""How many beyond the k-th a row may keep because they come within `margin` of it."""
TILE_SCORES = 8 * 2**20
"""Scores looked at together: 32 MB, about what the last cache level holds."""
_ROWS = 1024
_NOTHING = np.int64(2**63 - 1)
_POSITION = np.int64(2**32 - 1)


def top_k(scores: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Return positions and scores of the `k` best in each row, best first; exact.

    Equal scores keep the order of their columns. Where there are fewer than `k` columns, the
    remaining positions are -1 and their scores -inf.

    Args:
        scores: float32 (n, m).

    Raises:
        ValueError: If `k` < 1 or a score is not a number.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")
    positions = np.empty((len(scores), k), dtype=np.int64)
    best = np.empty((len(scores), k), dtype=np.float32)
    n_block = rows_at_once(k)
    for start in range(0, len(scores), n_block):
        rows = slice(start, start + n_block)
        top = RunningTop(len(scores[rows]), k)
        top.add(scores[rows])
        positions[rows], best[rows] = top.result()
    return positions, best


def merge_top(
    first: tuple[IntArray, FloatArray], second: tuple[IntArray, FloatArray]
) -> tuple[IntArray, FloatArray]:
    """Return the best of two findings, each row by row: as many of each as `first` has columns.

    Exact, with ties to the lower position, in whatever order findings are merged.

    Args:
        first: Positions, -1 for none, and scores, both (n, k), as `top_k` gives them.
        second: The same of other passages, positions counted over all.
    """
    k = first[0].shape[1]
    keys = np.concatenate([_found_keys(*first), _found_keys(*second)], axis=1)
    keys.sort(axis=1)
    return _found(keys[:, :k])


def rows_at_once(k: int) -> int:
    """Return how many rows share a `RunningTop`: many for speed, 64 MB of keys at most."""
    return max(1, min(_ROWS, 64 * 2**20 // (16 * (k + SPARE))))


class RunningTop:
    """The best of each row so far, while tiles of further columns are added from left to right.

    Attributes:
        k: How many of each row are wanted.
        margin: By how much a score may be wrong in either direction, halved: what comes within it
            of the k-th best is kept too, up to `SPARE`, until `settle_scores` says what it is
            really worth. 0.0 for scores that are final.
    """

    def __init__(self, n_rows: int, k: int, margin: float = 0.0) -> None:
        self.k, self.margin = k, margin
        self._room = k + SPARE
        self._n_seen = 0
        self._keys = np.full((n_rows, 2 * self._room), _NOTHING)
        self._n_kept = np.zeros(n_rows, dtype=np.int64)
        self._limits = np.full(n_rows, -np.inf, dtype=np.float32)
        self._passes = np.empty(0, dtype=bool)

    def add(self, scores: FloatArray) -> None:
        """Take the next columns' scores into account.

        Args:
            scores: float32 (n_rows, any number).

        Raises:
            ValueError: If a score is not a number.
        """
        n_rows, n_columns = scores.shape
        widest = max(1, TILE_SCORES // max(1, n_rows))
        start = 0
        while start < n_columns:
            # Each step at most doubles what was seen, so that the threshold is never far behind.
            filling = self._room - self._n_seen
            width = filling if filling > 0 else min(self._n_seen, widest)
            part = scores[:, start : start + width]
            if filling > 0:
                self._fill(part)
            else:
                self._take(part)
            start += part.shape[1]
            self._n_seen += part.shape[1]

    def _fill(self, scores: FloatArray) -> None:
        columns = np.arange(self._n_seen, self._n_seen + scores.shape[1], dtype=np.int64)
        self._keys[:, columns] = _keys(scores, columns)
        self._n_kept += len(columns)
        if columns[-1] + 1 == self._room:
            self._settle()

    def _take(self, scores: FloatArray) -> None:
        if len(self._passes) < scores.size:
            self._passes = np.empty(scores.size, dtype=bool)
        passes = self._passes[: scores.size].reshape(scores.shape)
        # What is not a number is not less or equal either: it passes, and is refused.
        np.less_equal(scores, self._limits[:, None], out=passes)
        np.logical_not(passes, out=passes)
        rows, columns = np.divmod(np.flatnonzero(passes), scores.shape[1])
        n_new = np.bincount(rows, minlength=len(scores))
        if np.any(n_new > self._room):
            _thin_out(passes, scores, n_new, self._room)
            rows, columns = np.nonzero(passes)
            n_new = np.minimum(n_new, self._room)
        if np.any(self._n_kept + n_new > 2 * self._room):
            self._settle()
        first = np.cumsum(n_new) - n_new
        slots = np.arange(len(rows)) + (self._n_kept - first)[rows]
        self._keys[rows, slots] = _keys(scores[rows, columns], columns + self._n_seen)
        self._n_kept += n_new

    def _settle(self) -> None:
        """Keep the best of each row, in order, and set the threshold by the k-th."""
        self._keys.sort(axis=1)
        worst = _scores(self._keys[:, self.k - 1])
        self._limits = worst
        self._n_kept = np.minimum(self._n_kept, self.k)
        if self.margin:
            self._limits = np.nextafter(worst - np.float32(self.margin), np.float32(-np.inf))
            near = _scores(self._keys[:, self.k : self._room]) > self._limits[:, None]
            self._n_kept += np.count_nonzero(near, axis=1)
        self._keys[np.arange(2 * self._room) >= self._n_kept[:, None]] = _NOTHING

    def kept(self) -> tuple[IntArray, IntArray]:
        """Return rows and positions of all that may be among the best, row by row."""
        self._settle()
        rows, slots = np.nonzero(self._keys != _NOTHING)
        return rows, self._keys[rows, slots] & _POSITION

    def settle_scores(self, scores: FloatArray) -> None:
        """Replace the scores of what `kept` gave, in its order, by what they really are."""
        rows, slots = np.nonzero(self._keys != _NOTHING)
        self._keys[rows, slots] = _keys(scores, self._keys[rows, slots] & _POSITION)
        self.margin = 0.0

    def result(self) -> tuple[IntArray, FloatArray]:
        """Return positions and scores of the `k` best of each row; -1 and -inf where too few."""
        self._settle()
        return _found(self._keys[:, : self.k])


def _thin_out(
    passes: NDArray[np.bool_], scores: FloatArray, n_passing: IntArray, n_most: int
) -> None:
    """Leave the best `n_most` in those rows of `passes` that hold more."""
    columns = np.arange(scores.shape[1], dtype=np.int64)
    for row in np.flatnonzero(n_passing > n_most):
        best = np.argpartition(_keys(scores[row], columns), n_most)[:n_most]
        passes[row] = False
        passes[row, best] = True


def _found(keys: IntArray) -> tuple[IntArray, FloatArray]:
    """Return positions and scores of keys; -1 and -inf for `_NOTHING`."""
    is_empty = keys == _NOTHING
    positions, scores = keys & _POSITION, _scores(keys)
    positions[is_empty], scores[is_empty] = -1, -np.inf
    return positions, scores


def _found_keys(positions: IntArray, scores: FloatArray) -> IntArray:
    """Return the keys that `_found` took apart."""
    return np.where(positions < 0, _NOTHING, _keys(scores, positions))


def _keys(scores: FloatArray, positions: IntArray) -> IntArray:
    """Return integers that sort like (score descending, position): no two are the same.

    A float's bits, taken as an integer, sort like the float once negative ones are mirrored; the
    position in the low half then settles ties.
    """
    if np.isnan(scores).any():
        raise ValueError("A retriever gave a score that is not a number.")
    # Adding zero turns -0.0 into 0.0, which equals it but has other bits.
    bits = (np.asarray(scores, dtype=np.float32) + np.float32(0)).view(np.int32).astype(np.int64)
    ordered = np.where(bits >= 0, bits, np.int64(-(2**31)) - bits)
    keys: IntArray = -(ordered << 32) + positions
    return keys


def _scores(keys: IntArray) -> FloatArray:
    """Return the scores that keys were made of; not a number for `_NOTHING`."""
    ordered: NDArray[np.int64] = -(keys >> 32)
    bits = np.where(ordered >= 0, ordered, np.int64(-(2**31)) - ordered)
    scores: FloatArray = bits.astype(np.int32).view(np.float32)
    return scores
