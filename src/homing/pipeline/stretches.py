"""Runs of passages that one worker deals with, each with the passages beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homing.dataset import iter_passages
from homing.dataset.records import passage_of
from homing.dataset.shards import Shard
from homing.storage import Place, open_input
from homing.types import Passage


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some passages of a table.

    Attributes:
        place: Where the table lies, as every worker can reach it.
        start: The position in the table of its first passage.
        stop: The position after its last.
        number: Its position among the stretches of the table.
    """

    place: str
    start: int
    stop: int
    number: int

    def read(self) -> tuple[list[Passage], list[str]]:
        """Return its passages with the one before and the one after, and the ids of its own."""
        first = max(0, self.start - 1)
        rows = _rows_between(self.place, first, self.stop + 1)
        passages = [passage_of(row) for row in rows]
        own = passages[self.start - first : self.stop - first]
        return passages, [passage.id for passage in own]


class StoredPassages:
    """The passages of a table of this machine, read anew by each who goes through them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._n = sum(_group_sizes(path))

    def __iter__(self) -> Iterator[Passage]:
        return iter_passages(self._path)

    def __len__(self) -> int:
        return self._n


def stretches_of(place: Place, n_rows: int) -> list[Stretch]:
    """Return the stretches of a table, in order, of `n_rows` passages each but the last."""
    n = sum(_group_sizes(place))
    starts = range(0, n, n_rows)
    return [Stretch(str(place), s, min(s + n_rows, n), number) for number, s in enumerate(starts)]


def languages_of(documents: Place, ids: Collection[str] | None = None) -> dict[str, str]:
    """Return document id -> language, "" for an unknown one, of some documents or of all."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted = None if ids is None else pa.array(sorted(ids), pa.string())
    found: dict[str, str] = {}
    with open_input(documents) as source, pq.ParquetFile(source) as file:
        for batch in file.iter_batches(columns=["id", "language"]):
            if wanted is not None:
                batch = batch.filter(pc.is_in(batch.column("id"), value_set=wanted))
            found.update(zip(batch["id"].to_pylist(), batch["language"].to_pylist(), strict=True))
    return found


def _group_sizes(place: Place) -> list[int]:
    import pyarrow.parquet as pq

    with open_input(place) as source, pq.ParquetFile(source) as file:
        return [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]


def _rows_between(place: str, start: int, stop: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table from one position to before another."""
    sizes = _group_sizes(place)
    group, before = 0, 0
    while before + sizes[group] <= start:
        before += sizes[group]
        group += 1
    n_rows = min(stop, sum(sizes)) - start
    yield from Shard(place, group, len(sizes), start, n_rows, 0, skip=start - before).rows()
