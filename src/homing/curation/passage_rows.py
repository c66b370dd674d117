"""A table of passages by rows: what the driver knows of all, and the few that a worker needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from homing.curation.digests import RowIndex, digests_of_ids
from homing.curation.spans import Spans
from homing.dataset.records import passage_of
from homing.errors import HomingError
from homing.storage import Place, open_input
from homing.types import IntArray, Passage

COLUMNS = ("_id", "document_id", "start", "end")


@dataclass(frozen=True)
class PassageRows:
    """All passages of a table without their texts; some 120 bytes a passage.

    Attributes:
        ids: Arrow strings.
        spans: Where they lie.
        index: Finds a row by the digest of its id.
        groups: Equal for passages of one duplicate group; None where the table says nothing.
    """

    ids: Any
    spans: Spans
    index: RowIndex
    groups: IntArray | None = None

    def __len__(self) -> int:
        return len(self.spans)


def read_passage_rows(place: Place, *, group_column: str | None = None) -> PassageRows:
    """Return what is known of the passages of a table.

    Raises:
        HomingError: Two have the same id.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted = [*COLUMNS, *([group_column] if group_column else [])]
    with open_input(place) as source, pq.ParquetFile(source) as file:
        table = file.read(columns=wanted)
    ids = table.column("_id")
    index = RowIndex(digests_of_ids(ids.chunks))
    if (row := index.first_repeated()) >= 0:
        raise HomingError(
            f"{place}: the id {ids[row].as_py()!r} stands for two passages. "
            "Read the documents again: homing ingest"
        )
    spans = Spans(
        order=pc.sort_indices(ids).to_numpy().astype(np.int64),
        documents=_codes(table.column("document_id")),
        starts=table.column("start").combine_chunks().to_numpy(),
        ends=table.column("end").combine_chunks().to_numpy(),
        name=namer(ids),
    )
    groups = _codes(table.column(group_column)) if group_column else None
    return PassageRows(ids, spans, index, groups)


def namer(ids: Any) -> Callable[[int], str]:
    """Return what gives the id of a row."""
    return lambda row: str(ids[row].as_py())


def passages_at(place: Place, rows: IntArray) -> dict[int, Passage]:
    """Return row -> passage of some rows; those behind the end of the table are left out.

    Only the row groups that they lie in are read. Memory: one of them, and the passages.
    """
    import pyarrow.parquet as pq

    wanted = np.unique(rows)
    found: dict[int, Passage] = {}
    with open_input(place) as source, pq.ParquetFile(source) as file:
        first = 0
        for group in range(file.metadata.num_row_groups):
            stop = first + file.metadata.row_group(group).num_rows
            here = wanted[(wanted >= first) & (wanted < stop)]
            if len(here):
                table = file.read_row_group(group).take(here - first)
                found |= zip(here.tolist(), map(passage_of, table.to_pylist()), strict=True)
            first = stop
    return found


def _codes(column: Any) -> IntArray:
    """Return numbers that are equal for equal texts of an Arrow column, int64 (n,)."""
    codes: IntArray = column.dictionary_encode().combine_chunks().indices.to_numpy()
    return codes.astype(np.int64)
