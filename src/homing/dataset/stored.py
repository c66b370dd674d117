"""A large dataset that stays on disk: the same mappings, read row by row when they are asked.

`Dataset` holds every text as an object, a kilobyte each; of a million passages and two million
questions that is four gigabytes in each process. Here a process holds nothing but what it reads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence, ValuesView
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np

from homing.dataset.model import Dataset, usual_order
from homing.dataset.records import PASSAGE_COLUMNS, QUESTION_COLUMNS, passage_of, question_fields
from homing.dataset.row_files import (
    ID,
    ROWS_IN_BATCH,
    Numbers,
    RowFile,
    TableFolder,
    has_collisions,
    rows_of,
    write_rows,
)
from homing.types import Qrel, Query

T = TypeVar("T")
CORPUS, QUERIES, GROUP = "corpus", "queries", "group_id"
QREL_COLUMNS = ("query-id", "corpus-id", "score")


class Stored(Mapping[str, T]):
    """What has ids, in the order of its table.

    Args:
        table: Its rows.
        make: Makes an object of a row.
    """

    def __init__(self, table: RowFile, make: Callable[[Mapping[str, Any]], T]) -> None:
        self.table, self._make = table, make

    def __getitem__(self, key: str) -> T:
        number = self.table.find(key)
        if number < 0:
            raise KeyError(key)
        return self.at(number)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.table.find(key) >= 0

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[str]:
        return self.table.ids()

    def at(self, number: int) -> T:
        """Return the object of a row."""
        return self._make(self.table.row(number))

    def values(self) -> ValuesView[T]:
        """Return the objects in order; they are read as one goes along."""
        return _Values(self)

    def items(self) -> ItemsView[str, T]:
        """Return ids and objects in order; they are read as one goes along."""
        return _Items(self)

    def stream(self) -> Iterator[tuple[str, T]]:
        """Yield ids and objects in order."""
        for row in self.table.rows():
            yield row[ID], self._make(row)


class _Values(ValuesView[T], Generic[T]):
    _mapping: Stored[T]

    def __iter__(self) -> Iterator[T]:
        return (value for _, value in self._mapping.stream())


class _Items(ItemsView[str, T], Generic[T]):
    _mapping: Stored[T]

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return self._mapping.stream()


class StoredGroups(Mapping[str, str]):
    """Passage id -> group id, of the corpus's own table; passages without a group are left out."""

    def __init__(self, table: RowFile) -> None:
        self.table = table

    def __getitem__(self, key: str) -> str:
        number = self.table.find(key)
        group = self.at(number) if number >= 0 else None
        if group is None:
            raise KeyError(key)
        return group

    def at(self, number: int) -> str | None:
        """Return the group of a row, None for a passage without one."""
        group: str | None = self.table.value(number, GROUP)
        return group

    def __len__(self) -> int:
        column = self.table.column(GROUP)
        return len(column) - int(column.null_count)

    def __iter__(self) -> Iterator[str]:
        pairs = zip(self.table.ids(), _values(self.table.column(GROUP)), strict=True)
        return (one for one, group in pairs if group is not None)

    def numbers(self) -> Numbers:
        """Return a number for the group of each row, a passage without one being its own."""
        import pyarrow.compute as pc

        column = pc.coalesce(self.table.column(GROUP), self.table.column(ID))
        indices = column.combine_chunks().dictionary_encode().indices
        numbers: Numbers = indices.to_numpy(zero_copy_only=False).astype(np.int32)
        return numbers


class StoredQrels(Sequence[Qrel]):
    """Judgements as rows of the tables of questions and passages.

    Attributes:
        rows: (n, 3) of question, passage and grade.
    """

    def __init__(self, folder: TableFolder, split: str, queries: RowFile, corpus: RowFile) -> None:
        self._folder, self._split = folder, split
        self.queries, self.corpus = queries, corpus
        self.rows: Numbers = folder.array(_qrels(split))

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredQrels, (self._folder, self._split, self.queries, self.corpus)

    def are_of(self, queries: object, corpus: object) -> bool:
        """Return whether the rows are those of these questions and passages."""
        tables = (getattr(queries, "table", None), getattr(corpus, "table", None))
        return tables == (self.queries, self.corpus)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> Qrel: ...
    @overload
    def __getitem__(self, at: slice) -> list[Qrel]: ...
    def __getitem__(self, at: int | slice) -> Qrel | list[Qrel]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        question, passage, grade = self.rows[at].tolist()
        return Qrel(self.queries.value(question, ID), self.corpus.value(passage, ID), grade)


def store_dataset(folder: Path, target: Path) -> bool:
    """Write the tables of an MTEB folder to `target`; return False if it is not one of ours.

    Nothing is done where `target` is there.

    Memory: about 150 bytes for each passage, question and judgement, for a while.

    Args:
        folder: Holds corpus/, queries/ and qrels/.
        target: Exists when it is whole.
    """
    if target.is_dir():
        return True
    fresh = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    fresh.mkdir(parents=True, exist_ok=True)
    try:
        if not _store(folder, fresh):
            return False
        with suppress(OSError):  # another process was faster, with the same
            fresh.rename(target)
        return True
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def open_stored(folder: TableFolder) -> Dataset:
    """Return the dataset of tables that `store_dataset` wrote. It can be pickled: by path."""
    corpus, queries = RowFile(folder, CORPUS), RowFile(folder, QUERIES)
    splits = folder.file("splits.txt").read_text(encoding="utf-8").split("\n")
    return Dataset(
        Stored(corpus, passage_of),
        Stored(queries, query_of),
        {name: StoredQrels(folder, name, queries, corpus) for name in splits if name},
        StoredGroups(corpus),
    )


def query_of(row: Mapping[str, Any]) -> Query:
    """Return the query of a row."""
    return Query(id=row[ID], **question_fields(row))


def _store(folder: Path, fresh: Path) -> bool:
    import pyarrow.parquet as pq

    parts = {
        CORPUS: (*PASSAGE_COLUMNS, GROUP),
        QUERIES: (ID, *QUESTION_COLUMNS),
    }
    splits = usual_order(path.stem for path in (folder / "qrels").glob("*.parquet"))
    files = {name: folder / name / f"{name}.parquet" for name in parts}
    files |= {_qrels(name): folder / "qrels" / f"{name}.parquet" for name in splits}
    parts |= {_qrels(name): QREL_COLUMNS for name in splits}
    for name, path in files.items():
        if len(list(path.parent.glob("*.parquet"))) > 1 and name in (CORPUS, QUERIES):
            return False
        if not path.is_file() or {*parts[name]} - {*pq.read_schema(path).names}:
            return False
    for name in (CORPUS, QUERIES):
        with pq.ParquetFile(files[name]) as file:
            columns = list(parts[name])
            schema = file.schema_arrow
            fields = [schema.field(column) for column in columns]
            batches = file.iter_batches(batch_size=ROWS_IN_BATCH, columns=columns)
            ordered = (batch.select(columns) for batch in batches)
            write_rows(ordered, _schema(fields), fresh, name)
    (fresh / "splits.txt").write_text("\n".join(splits), encoding="utf-8")
    tables = [RowFile(TableFolder(fresh), name) for name in (QUERIES, CORPUS)]
    return not any(map(has_collisions, tables)) and all(
        _store_qrels(files[_qrels(name)], fresh / f"{_qrels(name)}.npy", *tables) for name in splits
    )


def _store_qrels(source: Path, target: Path, queries: RowFile, corpus: RowFile) -> bool:
    """Write the judgements as rows; return False if one names what is not there."""
    import pyarrow.parquet as pq

    found = []
    with pq.ParquetFile(source) as file:
        for batch in file.iter_batches(batch_size=ROWS_IN_BATCH, columns=list(QREL_COLUMNS)):
            asked, passages, grades = (batch.column(name).to_pylist() for name in QREL_COLUMNS)
            rows = np.stack(
                [rows_of(queries, asked), rows_of(corpus, passages), np.array(grades, np.int32)],
                axis=1,
            )
            if (rows[:, :2] < 0).any():
                return False
            found.append(rows)
    np.save(target, np.concatenate(found) if found else np.zeros((0, 3), np.int32))
    return True


def _qrels(split: str) -> str:
    return f"qrels-{split}"


def _schema(fields: Sequence[Any]) -> Any:
    import pyarrow as pa

    return pa.schema(fields)


def _values(column: Any) -> Iterator[Any]:
    for chunk in column.chunks:
        yield from chunk.to_pylist()
