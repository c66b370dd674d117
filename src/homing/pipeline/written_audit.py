"""The audit of a dataset as it lies in a folder, without its texts in memory.

Memory: some 300 bytes a passage and 100 a question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from homing.curation.auditing import OfSplit, count_shared
from homing.curation.components import component_rows
from homing.curation.digests import Digests, RowIndex, as_digests, digests_of_ids
from homing.curation.homes import question_digests
from homing.curation.passage_rows import PassageRows, read_passage_rows
from homing.dataset.mteb import CORPUS, QUERIES, qrels_file
from homing.engine.base import Engine, values_of
from homing.types import Audit


class Audited(NamedTuple):
    """What was found in the files.

    Attributes:
        n_queries: Split -> how many questions have an answer in it.
    """

    audit: Audit
    n_passages: int
    n_groups: int
    n_queries: dict[str, int]


def audit_written(folder: Path, splits: Sequence[str], engine: Engine) -> Audited:
    """Return what every pair of splits has in common, as `audit` counts it, and other counts.

    Args:
        folder: With a dataset in the MTEB layout, all of whose passages have a duplicate group.
        engine: Reads the questions' words.
    """
    passages = read_passage_rows(folder / CORPUS, group_column="group_id")
    assert passages.groups is not None
    components = component_rows(passages.spans, passages.groups)
    ids, keys = _read_queries(folder, engine)
    queries = RowIndex(ids)
    found, n_queries = {}, {}
    for split in splits:
        answers, asked = _read_qrels(folder, split, passages, queries)
        found[split] = OfSplit(answers, keys[asked])
        n_queries[split] = len(asked)
    n_groups = len(np.unique(passages.groups))
    return Audited(count_shared(found, components), len(passages), n_groups, n_queries)


def digest_questions(texts: Sequence[str]) -> bytes:
    """Return what `question_digests` gives, as bytes that an engine sends back."""
    return question_digests(texts).tobytes()


def _read_queries(folder: Path, engine: Engine) -> tuple[Digests, Digests]:
    """Return the digests of all query ids, and those of their words."""
    ids = digests_of_ids(batch[0] for batch in _columns(folder / QUERIES, "_id"))
    texts = (batch[0].to_pylist() for batch in _columns(folder / QUERIES, "text"))
    keys = list(values_of(engine.map(digest_questions, texts)))
    return ids, as_digests(b"".join(keys))


def _read_qrels(
    folder: Path, split: str, passages: PassageRows, queries: RowIndex
) -> tuple[Any, Any]:
    """Return the rows of the passages that answer in a split, and of the queries asked in it."""
    answers, asked = [], []
    columns = ("corpus-id", "query-id", "score")
    for of_passage, of_query, scores in _columns(folder / qrels_file(split), *columns):
        is_relevant = scores.to_numpy() >= 1
        answers.append(passages.index.find(digests_of_ids([of_passage]))[is_relevant])
        asked.append(queries.find(digests_of_ids([of_query]))[is_relevant])
    return _distinct(answers), _distinct(asked)


def _distinct(parts: Sequence[Any]) -> Any:
    rows = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *parts]))
    assert not len(rows) or rows[0] >= 0, "a judgement names what is not in the dataset"
    return rows


def _columns(path: Path, *names: str) -> Iterator[list[Any]]:
    """Yield the columns of a table, some rows at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=list(names)):
            yield [batch.column(name) for name in names]
