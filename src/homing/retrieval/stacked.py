"""Vectors of a corpus in several files, as one table that is never in memory as a whole.

The files are parts of kept vectors (`cache.py`), each with the rows of a shard in their order. A
file is opened when its rows are asked for, and let go of afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.retrieval.array_files import open_member
from homing.types import FloatArray, IntArray
from homing.vectors import normalised

VECTORS = "vectors"


@dataclass(frozen=True, slots=True)
class VectorFile:
    """A file of vectors.

    Attributes:
        place: Where it lies, as whoever reads it can reach it.
        n_rows: How many vectors it has.
    """

    place: str
    n_rows: int


class StackedVectors:
    """The rows of several files, one after the other; slices and picked rows are arrays.

    Attributes:
        files: In order.
        dimensions: Length of each vector. Where the files' are longer, they are cut to it and have
            length 1 again.
        shape: (rows, dimensions).
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, files: Sequence[VectorFile], dimensions: int) -> None:
        """Stack files; none of them is opened yet."""
        self.files = tuple(files)
        self.dimensions = dimensions
        self._starts = np.cumsum([0, *(file.n_rows for file in files)])
        self.shape = (int(self._starts[-1]), dimensions)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | IntArray) -> FloatArray:
        """Return rows, float32 (n, dimensions): a slice without a step, or positions."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return self._run(start, max(start, stop))
        return self._picked(np.asarray(rows))

    def cut(self, dimensions: int) -> StackedVectors:
        """Return the same vectors cut to their first dimensions, of length 1 again."""
        return StackedVectors(self.files, dimensions)

    def moved(self, place_of: Callable[[str], str]) -> StackedVectors:
        """Return the same vectors where others reach them, or nearer; `place_of` says where."""
        files = [replace(file, place=place_of(file.place)) for file in self.files]
        return StackedVectors(files, self.dimensions)

    def ranges(self, n_rows: int) -> Iterator[tuple[int, StackedVectors]]:
        """Yield runs of whole files of about so many rows each, with the position of the first."""
        first = 0
        for number in range(len(self.files)):
            is_last = number + 1 == len(self.files)
            if is_last or self._starts[number + 1] - self._starts[first] >= n_rows:
                files = self.files[first : number + 1]
                yield int(self._starts[first]), StackedVectors(files, self.dimensions)
                first = number + 1

    def dot(self, queries: FloatArray) -> FloatArray:
        """Return the products of queries with all vectors, float32 (n_queries, rows)."""
        products = np.empty((len(queries), len(self)), dtype=np.float32)
        for number in range(len(self.files)):
            start, stop = self._starts[number], self._starts[number + 1]
            products[:, start:stop] = queries @ self._open(number).T
        return products

    def _run(self, start: int, stop: int) -> FloatArray:
        found = np.empty((stop - start, self.dimensions), dtype=np.float32)
        number = int(np.searchsorted(self._starts, start, side="right")) - 1
        filled = 0
        while filled < len(found):
            first = start + filled - int(self._starts[number])
            part = self._open(number, slice(first, first + len(found) - filled))
            found[filled : filled + len(part)] = part
            filled += len(part)
            number += 1
        return found

    def _picked(self, rows: IntArray) -> FloatArray:
        found = np.empty((len(rows), self.dimensions), dtype=np.float32)
        rows = np.where(rows < 0, rows + len(self), rows)
        numbers = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(numbers):
            here = np.flatnonzero(numbers == number)
            found[here] = self._open(int(number), rows[here] - self._starts[number])
        return found

    def _open(self, number: int, rows: slice | NDArray[Any] = slice(None)) -> FloatArray:
        part: FloatArray = open_member(self.files[number].place, VECTORS)[rows]
        if part.shape[1] == self.dimensions:
            return part
        return normalised(part[:, : self.dimensions])


Vectors = FloatArray | StackedVectors
"""A table of vectors, in memory or in files."""
