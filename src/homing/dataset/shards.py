"""A Parquet table in shards: parts of one file that can be read apart, and put together again.

A shard is a run of row groups. Because rows are written in groups of a fixed size, the same table
falls into the same shards wherever it is read, and a table that is put together from parts has the
bytes of one that was written in one go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from homing.dataset.tables import CHARACTERS_IN_GROUP, ROWS_IN_GROUP
from homing.storage import Place, open_input, open_output

GROUPS_IN_SHARD = 2
"""Row groups of a shard: some 16,000 rows, which are worth a worker's trip and fit its memory."""
MAX_SHARD_FRACTION = 0.1
"""A shard is at most this much of its table, so that a lost worker costs no more than that."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some row groups of a Parquet file.

    Attributes:
        place: Where the file lies, as every worker can reach it.
        first: Its first row group, from 0.
        stop: The row group after its last.
        first_row: The position in the whole table of its first row.
        n_rows: How many rows it has.
        number: Its position among the shards of the table.
    """

    place: str
    first: int
    stop: int
    first_row: int
    n_rows: int
    number: int

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """Yield Arrow record batches, one for each row group or several."""
        import pyarrow.parquet as pq

        with open_input(self.place) as source, pq.ParquetFile(source) as file:
            yield from file.iter_batches(
                batch_size=ROWS_IN_GROUP,
                row_groups=list(range(self.first, self.stop)),
                columns=None if columns is None else list(columns),
            )

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows, column name -> value."""
        for batch in self.batches(columns):
            yield from batch.to_pylist()

    def key(self, digest: str) -> str:
        """Return what stands for the content of the shard, given the SHA-256 of its file."""
        text = f"{digest}/{self.first}/{self.stop}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


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
    import pyarrow as pa
    import pyarrow.parquet as pq

    n_rows = 0
    with (
        open_output(target) as stream,
        pq.ParquetWriter(stream, schema, compression="zstd") as writer,
    ):
        for group in _regrouped(_batches_of(parts), schema):
            n_rows += group.num_rows
            writer.write_table(pa.Table.from_batches(group.to_batches(), schema=schema))
    return n_rows


def _batches_of(parts: Sequence[Place]) -> Iterator[Any]:
    import pyarrow.parquet as pq

    for part in parts:
        try:
            source = open_input(part)
        except FileNotFoundError:
            continue
        with source, pq.ParquetFile(source) as file:
            yield from file.iter_batches(batch_size=ROWS_IN_GROUP)


def _regrouped(batches: Iterator[Any], schema: Any) -> Iterator[Any]:
    """Yield tables with the rows of the groups that `write_table` makes."""
    import pyarrow as pa

    held: list[Any] = []
    n_held, n_characters = 0, 0
    for batch in batches:
        start = 0
        sizes = _characters(batch, schema)
        while start < batch.num_rows:
            room = ROWS_IN_GROUP - n_held
            filled = n_characters + sizes[start : start + room].cumsum()
            full = int(filled.searchsorted(CHARACTERS_IN_GROUP))
            n = min(room, full + 1, batch.num_rows - start)
            held.append(batch.slice(start, n))
            n_held += n
            n_characters = int(filled[n - 1])
            start += n
            if n_held >= ROWS_IN_GROUP or n_characters >= CHARACTERS_IN_GROUP:
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
