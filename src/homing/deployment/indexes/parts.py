"""Tables of passages in numbered Parquet files, each written whole; nothing in one is changed.

To remove passages, the files that hold them are written anew without them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from homing.dataset.tables import atomic
from homing.deployment.indexes.base import FACTS, Facts
from homing.deployment.indexes.records import Record
from homing.errors import StoreError
from homing.types import FloatArray

ROWS = 16_384
TEXTS = ("title", "document_id", "path")
NUMBERS = ("page", "start", "end")
NAME = "part-{:06d}.parquet"
PATTERN = "part-*.parquet"


class Parts:
    """The numbered files of a folder, in their order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        """Return the files that there are."""
        return sorted(self.folder.glob(PATTERN))

    def add(self, records: Sequence[Record], vectors: FloatArray, facts: Facts) -> None:
        """Write a file behind the others."""
        paths = self.paths()
        number = int(paths[-1].stem.rpartition("-")[2]) + 1 if paths else 0
        write(table_of(records, vectors, facts), self.folder / NAME.format(number))

    def remove(self, ids: Collection[str]) -> None:
        """Write the files anew that hold passages of these ids."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        gone = pa.array(list(ids), type=pa.string())
        for path in self.paths():
            hit = pc.is_in(read(path, ["id"])["id"], value_set=gone)
            n_hit = pc.sum(hit).as_py() or 0
            if n_hit == len(hit):
                path.unlink()
            elif n_hit:
                write(pq.read_table(path).filter(pc.invert(hit)), path)

    def batches(self, *columns: str) -> Iterator[Any]:
        """Yield the rows of all files in batches, as Arrow tables of some columns."""
        for path in self.paths():
            yield from batches(path, columns)

    def count(self) -> int:
        """Return how many rows there are."""
        return sum(n_rows(path) for path in self.paths())

    def clear(self) -> None:
        """Remove the files."""
        for path in self.paths():
            path.unlink()


def table_of(records: Sequence[Record], vectors: FloatArray, facts: Facts) -> Any:
    """Return passages with their vectors as an Arrow table, which says whose vectors they are."""
    import pyarrow as pa

    text, number = pa.string(), pa.int64()
    columns = {name: pa.array([getattr(r, name) for r in records], text) for name in ("id", "text")}
    columns |= {name: pa.array([getattr(r, name) for r in records], text) for name in TEXTS}
    columns |= {name: pa.array([getattr(r, name) for r in records], number) for name in NUMBERS}
    columns["digest"] = pa.array([r.digest for r in records], text)
    flat = pa.array(np.ascontiguousarray(vectors).ravel(), pa.float32())
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, facts.dimensions)
    return pa.table(columns).replace_schema_metadata({FACTS: facts.dumps()})


def write(table: Any, path: Path) -> None:
    """Write a table as a Parquet file, which appears only when complete."""
    import pyarrow.parquet as pq

    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=ROWS)


def read(path: Path, columns: Sequence[str]) -> Any:
    """Return some columns of a file as an Arrow table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def batches(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of a file in batches, as Arrow record batches of some columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=ROWS, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def n_rows(path: Path) -> int:
    """Return how many rows a file has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def vectors_of(batch: Any) -> FloatArray:
    """Return the vectors of a batch, float32 (n, dimensions)."""
    flat = batch["vector"].flatten().to_numpy(zero_copy_only=False)
    rows: FloatArray = flat.reshape(batch.num_rows, -1)
    return rows


def rows_at(path: Path, positions: Collection[int], columns: Sequence[str]) -> dict[int, Any]:
    """Return position -> row of a file; only the row groups are read that hold one."""
    import pyarrow.parquet as pq

    wanted, start = sorted(set(positions)), 0
    found: dict[int, Any] = {}
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            here = [position for position in wanted if start <= position < end]
            if here:
                rows = file.read_row_group(group, columns=list(columns))
                taken = rows.take([position - start for position in here]).to_pylist()
                found.update(zip(here, taken, strict=True))
            start = end
    return found


def _damaged(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"{path} cannot be read as Parquet ({error}). Delete it and run the same command again: "
        "its passages are written anew."
    )
