"""Parquet tables on disk: written whole or not at all, the same bytes for the same rows.

Rows are streamed both ways, so that a table may be larger than memory. A lone surrogate, which
UTF-8 cannot hold (a file name in a foreign encoding, a broken font), is saved as U+FFFD; one
character for one, so offsets stay.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from homing.errors import UsageError
from homing.storage import Place, open_input, open_output

Row = tuple[Any, ...]
ROWS_IN_GROUP = 8192
CHARACTERS_IN_GROUP = 64_000_000
SURROGATES = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """Return `text` with every lone surrogate replaced by U+FFFD, so that it can be UTF-8."""
    return SURROGATES.sub("\ufffd", text)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path to write; it takes the place of `path` when the block ends well.

    The temporary name is hidden and fixed, so what a killed job left is overwritten by the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def open_table(place: Place, schema: Any) -> Iterator[Any]:
    """Give a `pyarrow.parquet.ParquetWriter`; the table appears when the block ends well.

    Args:
        place: The file; its folder is made. What was there is replaced. What is written to a
            `Path` is on the disk for good before it appears; a place that is named by text (a
            part of a table, which can be made again) is left to the system to write out.
        schema: A `pyarrow.Schema`.
    """
    import pyarrow.parquet as pq

    with (
        atomic(place) if isinstance(place, Path) else open_output(place) as target,
        pq.ParquetWriter(target, schema, compression="zstd") as writer,
    ):
        yield writer


def write_table(rows: Iterable[Row], place: Place, schema: Any) -> int:
    """Return how many rows were written to the Parquet file, which appears only when complete.

    Args:
        rows: Values in the order of the schema's columns.
        place: See `open_table`.
        schema: A `pyarrow.Schema`.
    """
    n_rows = 0
    with open_table(place, schema) as writer:
        for batch in _batches(rows):
            n_rows += len(batch)
            writer.write_table(_arrow_table(batch, schema))
    return n_rows


def read_table(
    place: Place, required: Sequence[str] = (), only: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, column name -> value.

    Args:
        required: Columns without which the file is none of ours.
        only: The columns to read; None reads all.

    Raises:
        UsageError: If the file is missing, cannot be read as Parquet, or lacks one of the
            required columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(place, Path) and not place.is_file():
        raise UsageError(f"{place} does not exist.")
    try:
        with open_input(place) as source, pq.ParquetFile(source) as file:
            missing = [name for name in required if name not in file.schema_arrow.names]
            if missing:
                raise UsageError(
                    f"{place} has no column {missing[0]!r}; it has: "
                    f"{', '.join(file.schema_arrow.names)}."
                )
            for batch in file.iter_batches(batch_size=ROWS_IN_GROUP, columns=only):
                yield from batch.to_pylist()
    except FileNotFoundError as error:
        raise UsageError(f"{place} does not exist.") from error
    except (pa.ArrowException, OSError) as error:
        raise UsageError(
            f"{place} cannot be read as Parquet ({error}). "
            "It may be incomplete: make it again, or delete it."
        ) from error


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    n_characters = 0
    for row in rows:
        batch.append(row)
        n_characters += sum(len(value) for value in row if isinstance(value, str))
        if len(batch) >= ROWS_IN_GROUP or n_characters >= CHARACTERS_IN_GROUP:
            yield batch
            batch, n_characters = [], 0
    if batch:
        yield batch


def _arrow_table(batch: Sequence[Row], schema: Any) -> Any:
    import pyarrow as pa

    columns = list(zip(*batch, strict=True))
    try:
        arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)]
    except UnicodeEncodeError:
        arrays = [
            pa.array([_clean(v) for v in c], type=f.type)
            for c, f in zip(columns, schema, strict=True)
        ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return value
