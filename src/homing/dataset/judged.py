"""A split as numbers: which row of the questions is answered by which row of the passages.

What is computed of a whole split is computed of these arrays, 12 bytes a judgement; texts are
looked up by row when one is wanted. It is the same of a dataset in memory and of one on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from homing.dataset.model import Dataset
from homing.dataset.row_files import Numbers
from homing.dataset.stored import Stored, StoredGroups, StoredQrels
from homing.types import Passage, Query

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgements of a split that say that a passage answers, in the order of the qrels.

    Attributes:
        questions: Row of each judgement's question, (n,).
        passages: Row of its passage, (n,).
        grades: At least 1, (n,).
        groups: Number of the duplicate group of every passage of the corpus, (n_passages,).
        writers: For every question the place of its writer among `writer_names`, (n_questions,).
        question: Returns the question of a row.
        passage: Returns the passage of a row.
        question_id: Returns the id alone.
        passage_id: Returns the id alone.
        group_id: Returns the id of the duplicate group of a row's passage.
    """

    questions: Numbers
    passages: Numbers
    grades: Numbers
    groups: Numbers
    writers: Numbers
    writer_names: Sequence[str]
    question: Callable[[int], Query]
    passage: Callable[[int], Passage]
    question_id: Callable[[int], str]
    passage_id: Callable[[int], str]
    group_id: Callable[[int], str]


def judged(dataset: Dataset, split: str) -> Judged:
    """Return the judgements of grade 1 and above of a split.

    Raises:
        UsageError: If there is no such split.
    """
    if split not in dataset.qrels:
        dataset.split(split)  # which says what there is
    corpus, queries = _rows(dataset.corpus), _rows(dataset.queries)
    rows = _judgements(dataset, split, queries, corpus)
    rows = rows[rows[:, 2] >= 1]
    codes, names = _writers(dataset.queries)

    group_at = dataset.groups.at if isinstance(dataset.groups, StoredGroups) else None

    def group_id(row: int) -> str:
        if group_at is not None and isinstance(dataset.corpus, Stored):
            return group_at(row) or corpus.id_at(row)
        return dataset.group_of(corpus.id_at(row))

    return Judged(
        questions=rows[:, 0],
        passages=rows[:, 1],
        grades=rows[:, 2],
        groups=_groups(dataset),
        writers=codes,
        writer_names=names,
        question=queries.at,
        passage=corpus.at,
        question_id=queries.id_at,
        passage_id=corpus.id_at,
        group_id=group_id,
    )


@dataclass(frozen=True, slots=True)
class _Rows(Generic[T]):
    """Rows of a mapping: what is at one, and which one an id has."""

    at: Callable[[int], T]
    id_at: Callable[[int], str]
    row_of: Callable[[str], int]


def _rows(mapping: Mapping[str, T]) -> _Rows[T]:
    if isinstance(mapping, Stored):
        table = mapping.table
        return _Rows(mapping.at, lambda row: str(table.value(row, "_id")), table.find)
    ids, values = list(mapping), list(mapping.values())
    numbers = {one: row for row, one in enumerate(ids)}
    return _Rows(values.__getitem__, ids.__getitem__, numbers.__getitem__)


def _judgements(
    dataset: Dataset, split: str, queries: _Rows[Query], corpus: _Rows[Passage]
) -> Numbers:
    qrels = dataset.qrels[split]
    if isinstance(qrels, StoredQrels) and qrels.are_of(dataset.queries, dataset.corpus):
        return qrels.rows
    rows = [
        (queries.row_of(qrel.query_id), corpus.row_of(qrel.passage_id), qrel.grade)
        for qrel in qrels
        if qrel.grade >= 1  # others may name what is not there
    ]
    return np.array(rows, dtype=np.int32).reshape(len(rows), 3)


def _writers(queries: Mapping[str, Query]) -> tuple[Numbers, list[str]]:
    if isinstance(queries, Stored):
        encoded = queries.table.column("writer").combine_chunks().dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        return codes, [*encoded.dictionary.to_pylist(), ""]
    names: dict[str, int] = {}
    codes = [names.setdefault(query.writer, len(names)) for query in queries.values()]
    return np.array(codes, dtype=np.int32), list(names)


def _groups(dataset: Dataset) -> Numbers:
    if isinstance(dataset.groups, StoredGroups) and isinstance(dataset.corpus, Stored):
        return dataset.groups.numbers()
    names: dict[str, int] = {}
    codes = [names.setdefault(dataset.group_of(i), len(names)) for i in dataset.corpus]
    return np.array(codes, dtype=np.int32)
