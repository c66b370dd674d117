"""A Parquet table in shards: parts of one file that can be read apart, and put together again.

A shard is a run of row groups. Because rows are written in groups of a fixed size, the same table
falls into the same shards wherever it is read, and a table that is put together from parts has the
bytes of one that was written in one go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from homing.dataset import tables
from homing.storage import Place, open_input

GROUPS_IN_SHARD = 2
"""Row groups of a shard: some 16,000 rows, which are worth a worker's trip and fit its memory."""
MAX_SHARD_FRACTION = 0.1
"""A shard is at most this much of its table, so that a lost worker costs no more than that."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some row groups of a Parquet file, or a run of the rows in them.

    Attributes:
        place: Where the file lies, as every worker can reach it.
        first: Its first row group, from 0.
        stop: The row group after its last.
        first_row: The position in the whole table of its first row.
        n_rows: How many rows it has.
        number: Its position among the shards of the table.
        skip: So many rows of its first row group come before its first row.
    """

    place: str
    first: int
    stop: int
    first_row: int
    n_rows: int
    number: int
    skip: int = 0

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """Yield Arrow record batches, one for each row group or several."""
        import pyarrow.parquet as pq

        to_skip, left = self.skip, self.n_rows
        with open_input(self.place) as source, pq.ParquetFile(source) as file:
            for batch in file.iter_batches(
                batch_size=tables.ROWS_IN_GROUP,
                row_groups=list(range(self.first, self.stop)),
                columns=None if columns is None else list(columns),
            ):
                wanted = batch.slice(min(to_skip, batch.num_rows), left)
                to_skip = max(0, to_skip - batch.num_rows)
                left -= wanted.num_rows
                if wanted.num_rows:
                    yield wanted
                if not left:
                    return

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows, column name -> value."""
        for batch in self.batches(columns):
            yield from batch.to_pylist()

    def key(self, digest: str) -> str:
        """Return what stands for the content of the shard, given the SHA-256 of its file."""
        text = f"{digest}/{self.first}/{self.stop}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def halves(self) -> tuple[Shard, Shard]:
        """Return the first and the second half of at least two rows."""
        n = self.n_rows // 2
        second = replace(
            self, first_row=self.first_row + n, n_rows=self.n_rows - n, skip=self.skip + n
        )
        return replace(self, n_rows=n), second

    def before(self) -> Shard:
        """Return the rows of the same row groups that come before its first row."""
        return replace(self, first_row=self.first_row - self.skip, n_rows=self.skip, skip=0)


def shards_of(place: Place) -> list[Shard]:
    """Return the shards of a table, in order; what they are depends on the table alone."""
    import pyarrow.parquet as pq

    with open_input(place) as source, pq.ParquetFile(source) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    n_groups = max(1, min(GROUPS_IN_SHARD, int(MAX_SHARD_FRACTION * len(sizes))))
    shards: list[Shard] = []
    row = 0
    for first in range(0, len(sizes), n_groups):
        stop = min(first + n_groups, len(sizes))
        n_rows = sum(sizes[first:stop])
        shards.append(Shard(str(place), first, stop, row, n_rows, len(shards)))
        row += n_rows
    return shards


def concatenate(parts: Sequence[Place], target: Place, schema: Any) -> int:
    """Return how many rows of the parts were written, in order, to one table.

    The table has the row groups, and so the bytes, that `write_table` gives the same rows. A part
    that does not exist has no rows. Memory: one row group and one part's.
    """
    return write_batches(_batches_of(parts), target, schema)


def write_batches(batches: Iterable[Any], target: Place, schema: Any) -> int:
    """Return how many rows of Arrow record batches were written to one table; see `concatenate`."""
    n_rows = 0
    with tables.open_table(target, schema) as writer:
        for group in _regrouped(batches, schema):
            n_rows += group.num_rows
            writer.write_table(group)
    return n_rows


class RowStream:
    """The rows of some tables, one table after the other, taken a few at a time.

    Args:
        parts: As for `concatenate`.
    """

    def __init__(self, parts: Sequence[Place]) -> None:
        self._batches = _batches_of(parts)
        self._rest: Any = None
        self.position = 0
        """So many rows have been taken."""

    def take(self, n_rows: int) -> Iterator[Any]:
        """Yield the next rows as Arrow record batches.

        Raises:
            EOFError: There are fewer.
        """
        while n_rows:
            if self._rest is None or not self._rest.num_rows:
                self._rest = next(self._batches, None)
                if self._rest is None:
                    raise EOFError(f"{n_rows:,} rows are missing behind row {self.position:,}")
                continue
            batch = self._rest.slice(0, n_rows)
            self._rest = self._rest.slice(batch.num_rows)
            self.position += batch.num_rows
            n_rows -= batch.num_rows
            yield batch

    def go_to(self, position: int) -> None:
        """Leave out rows up to a position that has not been passed."""
        for _ in self.take(position - self.position):
            pass


def _batches_of(parts: Sequence[Place]) -> Iterator[Any]:
    import pyarrow.parquet as pq

    for part in parts:
        try:
            source = open_input(part)
        except FileNotFoundError:
            continue
        with source, pq.ParquetFile(source) as file:
            yield from file.iter_batches(batch_size=tables.ROWS_IN_GROUP)


def _regrouped(batches: Iterable[Any], schema: Any) -> Iterator[Any]:
    """Yield tables with the rows of the groups that `write_table` makes."""
    import pyarrow as pa

    held: list[Any] = []
    n_held, n_characters = 0, 0
    for batch in batches:
        start = 0
        sizes = _characters(batch, schema)
        while start < batch.num_rows:
            room = tables.ROWS_IN_GROUP - n_held
            filled = n_characters + sizes[start : start + room].cumsum()
            full = int(filled.searchsorted(tables.CHARACTERS_IN_GROUP))
            n = min(room, full + 1, batch.num_rows - start)
            held.append(batch.slice(start, n))
            n_held += n
            n_characters = int(filled[n - 1])
            start += n
            if n_held >= tables.ROWS_IN_GROUP or n_characters >= tables.CHARACTERS_IN_GROUP:
                yield pa.Table.from_batches(held, schema=schema).combine_chunks()
                held, n_held, n_characters = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, schema=schema).combine_chunks()


def _characters(batch: Any, schema: Any) -> Any:
    """Return how many characters each row has in its columns of text, int64 (n,)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    total = np.zeros(batch.num_rows, dtype=np.int64)
    for field in schema:
        if pa.types.is_string(field.type):
            lengths = pc.fill_null(pc.utf8_length(batch.column(field.name)), 0)
            total += lengths.to_numpy(zero_copy_only=False).astype(np.int64)
    return total
