"""Texts as digests of 16 bytes in NumPy arrays, which are compared and sorted by the million.

Two different texts of ten billion have the same digest with a probability of 1 in 10^18.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.types import IntArray

N_BYTES = 16
DTYPE = f"S{N_BYTES}"

Digests = NDArray[np.bytes_]
"""Bytes (n,) of `DTYPE`."""


def digests_of(texts: Iterable[str]) -> Digests:
    """Return the digest of each text, the same on every machine."""
    return as_digests(b"".join(_digest(text.encode("utf-8", "surrogatepass")) for text in texts))


def digests_of_ids(ids: Iterable[Any]) -> Digests:
    """Return what stands for each id in some Arrow arrays of strings: of 16 bytes, the id itself.

    Such are the ids of passages and queries; an id of any other length has a digest.
    """
    found = [_digests_of_ids(some) for some in ids]
    return np.concatenate([np.empty(0, dtype=DTYPE), *found])


def _digests_of_ids(ids: Any) -> Digests:
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(ids) and (pc.binary_length(ids).to_numpy() == N_BYTES).all():
        fixed = ids.cast(pa.binary()).cast(pa.binary(N_BYTES))
        return np.frombuffer(fixed.buffers()[1], DTYPE, len(ids), fixed.offset * N_BYTES)
    raw = ids.cast(pa.binary()).to_pylist()
    return as_digests(b"".join(i if len(i) == N_BYTES else _digest(i) for i in raw))


def _digest(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=N_BYTES, usedforsecurity=False).digest()


def as_digests(raw: bytes) -> Digests:
    """Return digests that stand one after the other as an array, without a copy."""
    return np.frombuffer(raw, dtype=DTYPE) if raw else np.empty(0, dtype=DTYPE)


def first_rows(keys: Digests) -> IntArray:
    """Return for each row the first one with the same key, int64 (n,)."""
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return first[which].astype(np.int64)


class RowIndex:
    """The rows of ids, which are found by their digests; 24 bytes an id."""

    def __init__(self, ids: Digests) -> None:
        self._rows = np.argsort(ids, kind="stable")
        self._sorted = ids[self._rows]

    def find(self, ids: Digests) -> IntArray:
        """Return the row of each id, -1 where it is unknown."""
        if not len(self._rows):
            return np.full(len(ids), -1, dtype=np.int64)
        at = np.searchsorted(self._sorted, ids)
        at[at == len(self._rows)] = 0
        return np.where(self._sorted[at] == ids, self._rows[at], -1)

    def first_repeated(self) -> int:
        """Return a row whose id another row has, too; -1 where all are distinct."""
        again = np.flatnonzero(self._sorted[1:] == self._sorted[:-1])
        return int(self._rows[again[0] + 1]) if len(again) else -1
