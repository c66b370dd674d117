"""Tables that are read row by row where they lie: Arrow files, mapped into memory.

Nothing of them is in a process but what was asked for; processes of one machine share the pages.
Each table has an index of its ids beside it: 64 bits of a hash, sorted, and the rows they stand
for, 12 bytes a row, mapped as well.
"""

from __future__ import annotations

import bisect
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from homing.storage import Place, fetch_file, join, name_of

ROWS_IN_BATCH = 8192
ID = "_id"
Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.integer[Any]]
"""Rows, or what is counted by row; 4 bytes each on disk."""


@dataclass(frozen=True, slots=True)
class TableFolder:
    """A folder of such tables, of which another machine may need a copy.

    Attributes:
        local: The folder on the machine that made it.
        place: Of its copy for the others; None where they reach the same path.
    """

    local: Path
    place: Place | None = None

    def file(self, name: str) -> Path:
        """Return the path of a file on this machine, which is fetched if need be."""
        path = self.local / name
        if path.is_file() or self.place is None:
            return path
        copy = Path(tempfile.gettempdir(), "homing-tables", name_of(self.place), name)
        if not copy.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            fetch_file(join(self.place, name), copy)
        return copy

    def array(self, name: str) -> Any:
        """Return a saved array, mapped."""
        return np.load(self.file(f"{name}.npy"), mmap_mode="r")


class RowFile:
    """The rows of one table.

    Args:
        folder: Where it lies.
        name: The file's, without ".arrow".
    """

    def __init__(self, folder: TableFolder, name: str) -> None:
        import pyarrow as pa

        self.folder, self.name = folder, name
        with pa.memory_map(str(folder.file(f"{name}.arrow"))) as source:
            reader = pa.ipc.open_file(source)
            self._batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self._columns = [
            dict(zip(batch.schema.names, batch.columns, strict=True)) for batch in self._batches
        ]
        ends = np.cumsum([batch.num_rows for batch in self._batches])
        self._starts: list[int] = [0, *ends.tolist()][:-1]
        self._n_rows = int(ends[-1]) if len(ends) else 0

    def __reduce__(self) -> tuple[Any, ...]:
        return RowFile, (self.folder, self.name)

    def __len__(self) -> int:
        return self._n_rows

    def row(self, number: int) -> dict[str, Any]:
        """Return a row, column name -> value."""
        columns, at = self._at(number)
        return {name: column[at].as_py() for name, column in columns.items()}

    def value(self, number: int, column: str) -> Any:
        """Return one value of a row."""
        columns, at = self._at(number)
        return columns[column][at].as_py()

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield all rows in order, without holding them."""
        for batch in self._batches:
            yield from batch.to_pylist()

    def column(self, name: str) -> Any:
        """Return a column as a chunked Arrow array."""
        import pyarrow as pa

        return pa.chunked_array([batch.column(name) for batch in self._batches])

    def ids(self) -> Iterator[str]:
        """Yield the ids in order, without holding them."""
        for batch in self._batches:
            yield from batch.column(ID).to_pylist()

    def find(self, one: str) -> int:
        """Return the row of an id, -1 where there is none."""
        wanted = _hash(one)
        at = int(np.searchsorted(self._hashes, np.uint64(wanted)))
        while at < len(self._hashes) and int(self._hashes[at]) == wanted:
            number = int(self._order[at])
            if self.value(number, ID) == one:
                return number
            at += 1
        return -1

    def find_all(self, ids: Iterable[str]) -> Numbers:
        """Return the rows of ids, -1 for those that are not there."""
        return np.fromiter((self.find(one) for one in ids), dtype=np.int64)

    def _at(self, number: int) -> tuple[dict[str, Any], int]:
        batch = bisect.bisect_right(self._starts, number) - 1
        return self._columns[batch], number - self._starts[batch]

    @cached_property
    def _hashes(self) -> Hashes:
        found: Hashes = self.folder.array(f"{self.name}.hashes")
        return found

    @cached_property
    def _order(self) -> Numbers:
        found: Numbers = self.folder.array(f"{self.name}.rows")
        return found


def write_rows(batches: Iterable[Any], schema: Any, folder: Path, name: str) -> None:
    """Write record batches as a table with the index of its ids.

    Memory: one batch, and 28 bytes a row.
    """
    import pyarrow as pa

    hashes: list[Hashes] = []
    with (
        pa.OSFile(str(folder / f"{name}.arrow"), "wb") as file,
        pa.ipc.new_file(file, schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)
            hashes.append(_hashes_of(batch.column(ID).to_pylist()))
    found = np.concatenate(hashes) if hashes else np.zeros(0, np.uint64)
    order = np.argsort(found, kind="stable").astype(np.int32)
    np.save(folder / f"{name}.hashes.npy", found[order])
    np.save(folder / f"{name}.rows.npy", order)


def rows_of(table: RowFile, ids: Sequence[str]) -> Numbers:
    """Return the rows of many ids at once, -1 for those that are not there, int32 (n,)."""
    hashes = _hashes_of(ids)
    at = np.minimum(np.searchsorted(table._hashes, hashes), max(0, len(table) - 1))
    rows: Numbers = np.where(table._hashes[at] == hashes, table._order[at], -1)
    return rows.astype(np.int32)


def has_collisions(table: RowFile) -> bool:
    """Return whether two rows have the same id, or, once in 10^7 large corpora, the same hash."""
    return bool((table._hashes[1:] == table._hashes[:-1]).any())


def _hashes_of(ids: Sequence[str]) -> Hashes:
    return np.fromiter(map(_hash, ids), dtype=np.uint64, count=len(ids))


def _hash(one: str) -> int:
    digest = hashlib.blake2b(one.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
