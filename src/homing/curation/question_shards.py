"""What workers do with a shard of written questions: check each on its own, and write what is left.

Between the two the driver decides what no shard knows by itself: which questions repeat others,
and on which side of the split each of them falls. What it tells a shard lies in a plan, a folder
with one file for each shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from homing.curation.copied import OFFLINE_WRITER, drop_copied
from homing.curation.digests import DTYPE, Digests
from homing.curation.filters import AskedAbout, Fault, find_fault
from homing.curation.homes import SPLITS, Splits, question_digests
from homing.curation.passage_rows import passages_at
from homing.curation.rejections import reject
from homing.curation.repetitions import content_keys
from homing.dataset.mteb import corpus_schema, qrel_schema, query_schema
from homing.dataset.records import (
    passage_of,
    passage_row,
    question_fields,
    question_row,
    save_rejections,
)
from homing.dataset.shards import Shard, write_batches
from homing.dataset.tables import Row, read_table, write_table
from homing.retrieval.array_files import read_arrays, save_arrays
from homing.storage import join
from homing.types import Passage, Question, Rejection, query_id

STEPS = ("form", "copied", "split")
"""Where a question is dropped, in the order of the rejections."""
CHECKED = "checked.npz"
FAULTS = "faults"
QUERIES_PART = "queries"
CORPUS_PART = "corpus"


class Checked(NamedTuple):
    """What is known of the questions of a shard, or of all, without their texts.

    Attributes:
        content: From `content_keys` (n,).
        same: From `question_digests` (n,).
        is_sound: Whether form and passage leave nothing to be desired, bool (n,).
        is_copied: Whether too much of it stands in its passage, bool (n,).
        is_modelled: Whether a language model wrote it, bool (n,).
    """

    content: Digests
    same: Digests
    is_sound: NDArray[np.bool_]
    is_copied: NDArray[np.bool_]
    is_modelled: NDArray[np.bool_]


class Dropped(NamedTuple):
    """Why a question is dropped.

    Attributes:
        row: Its position in its shard.
        step: Where it is dropped.
    """

    row: int
    step: str
    reason: str
    detail: str


def check_questions(
    shard: Shard, folder: str, *, passages: str, plan: str, copied: float
) -> dict[str, Any]:
    """Return how many questions a shard has; save what is wrong with each, and `Checked`.

    Args:
        passages: The table of passages.
        plan: The rows of the questions' passages there, as "rows".
        copied: See `drop_copied`; 1 looks for nothing.
    """
    questions = list(questions_of(shard))
    rows = read_arrays(plan_of(plan, shard))["rows"]
    known = passages_at(passages, rows)
    about = {row: AskedAbout.of(passage) for row, passage in known.items()}
    faults = [
        find_fault(question, about.get(row))
        for question, row in zip(questions, rows.tolist(), strict=True)
    ]
    is_modelled = [question.writer != OFFLINE_WRITER for question in questions]
    of_copied = _copied(questions, is_modelled, known.values(), copied)
    texts = [question.text for question in questions]
    found = Checked(
        content_keys(texts),
        question_digests(texts),
        np.array([fault is None for fault in faults], dtype=bool),
        np.array([fault is not None for fault in of_copied], dtype=bool),
        np.array(is_modelled, dtype=bool),
    )
    save_arrays(join(folder, CHECKED), found._asdict())
    both = [first or second for first, second in zip(faults, of_copied, strict=True)]
    named = ((row, "", *fault) for row, fault in enumerate(both) if fault)
    write_table(named, join(folder, f"{FAULTS}.parquet"), _dropped_schema())
    return {"n_questions": len(questions)}


def gather_checked(folders: Iterable[str]) -> Checked:
    """Return what `check_questions` found out about the questions of all shards, in order."""
    none = np.empty(0, dtype=DTYPE), np.empty(0, dtype=bool)
    parts = [Checked(none[0], none[0], none[1], none[1], none[1])]
    parts += [Checked(**read_arrays(join(folder, CHECKED))) for folder in folders]
    return Checked(*map(np.concatenate, zip(*parts, strict=True)))


def faults_in(folder: str) -> dict[int, Fault]:
    """Return row -> what `check_questions` says of the questions of a shard, if anything."""
    found = read_table(join(folder, f"{FAULTS}.parquet"))
    return {row["row"]: (row["reason"], row["detail"]) for row in found}


def save_fates(splits: Splits, dropped: Iterable[Dropped], plan: str, shard: Shard) -> None:
    """Tell a shard what becomes of its questions.

    Args:
        splits: Where each goes, in `SPLITS`; -1 if it is dropped (n,).
        dropped: Those that are, in their order.
    """
    save_arrays(plan_of(plan, shard), {"splits": splits})
    write_table(dropped, plan_of(plan, shard, "parquet"), _dropped_schema())


def write_dataset_part(shard: Shard, folder: str, *, plan: str) -> dict[str, Any]:
    """Return how many questions a shard has; write its queries, qrels and rejections.

    Args:
        plan: With what `save_fates` saved.
    """
    queries: list[Row] = []
    qrels: dict[str, list[Row]] = {split: [] for split in SPLITS}
    rejections: dict[str, list[Rejection]] = {step: [] for step in STEPS}
    splits = read_arrays(plan_of(plan, shard))["splits"].tolist()
    dropped = (Dropped(**row) for row in read_table(plan_of(plan, shard, "parquet")))
    for question, split in zip(questions_of(shard), splits, strict=True):
        if split < 0:
            _, step, *fault = next(dropped)
            rejections[step].append(reject(question, *fault))
            continue
        key = query_id(question.text)
        queries.append((key, *question_row(question)))
        qrels[SPLITS[split]].append((key, question.passage_id, 1))
    write_table(queries, join(folder, f"{QUERIES_PART}.parquet"), query_schema())
    for split, rows in qrels.items():
        write_table(rows, join(folder, f"{split}.parquet"), qrel_schema())
    for step, of_step in rejections.items():
        save_rejections(of_step, join(folder, f"{step}.parquet"))
    return {"n_queries": len(queries)}


def save_groups(ids: Any, plan: str, shard: Shard) -> None:
    """Tell a shard of passages their duplicate groups, which are Arrow strings."""
    import pyarrow as pa

    groups = pa.table({"group_id": ids})
    write_batches(groups.to_batches(), plan_of(plan, shard, "parquet"), groups.schema)


def write_corpus_part(shard: Shard, folder: str, *, plan: str) -> dict[str, Any]:
    """Return how many passages a shard has; write them with their duplicate groups.

    Args:
        plan: With what `save_groups` saved.
    """
    groups = (row["group_id"] for row in read_table(plan_of(plan, shard, "parquet")))
    passages = map(passage_of, shard.rows())
    rows = ((*passage_row(p), group) for p, group in zip(passages, groups, strict=True))
    n = write_table(rows, join(folder, f"{CORPUS_PART}.parquet"), corpus_schema())
    return {"n_passages": n}


def questions_of(shard: Shard) -> Iterator[Question]:
    """Yield the written questions of a shard."""
    for row in shard.rows():
        yield Question(passage_id=row["passage_id"], **question_fields(row))


def plan_of(plan: str, shard: Shard, ending: str = "npz") -> str:
    """Return the file of a plan that is for one shard."""
    return join(plan, f"{shard.number:05d}.{ending}")


def _copied(
    questions: Sequence[Question],
    is_modelled: Sequence[bool],
    passages: Iterable[Passage],
    most: float,
) -> list[Fault | None]:
    """Return what `drop_copied` says of each question."""
    if most >= 1 or not any(is_modelled):
        return [None] * len(questions)
    by_id: Mapping[str, Passage] = {passage.id: passage for passage in passages}
    modelled = [q for q, is_it in zip(questions, is_modelled, strict=True) if is_it]
    kept, dropped = drop_copied(modelled, by_id, most=most)
    left, gone = set(map(id, kept)), iter(dropped)
    faults: list[Fault | None] = []
    for question, is_it in zip(questions, is_modelled, strict=True):
        rejection = next(gone) if is_it and id(question) not in left else None
        faults.append((rejection.reason, rejection.detail) if rejection else None)
    return faults


def _dropped_schema() -> Any:
    import pyarrow as pa

    texts = [(name, pa.string()) for name in Dropped._fields[1:]]
    return pa.schema([("row", pa.int64()), *texts])
