"""Datasets as Parquet in the MTEB layout, which `datasets`, MTEB and BEIR tools read.

    corpus/corpus.parquet    _id, title, text; document_id, start, end, page, heading_path, group_id
    queries/queries.parquet  _id, text; kind, writer, prompt, masked, masks_title
    qrels/{split}.parquet    query-id, corpus-id, score

The columns before the semicolon are MTEB's own and all that is needed of other people's sets.
Reading takes every `*.parquet` of a folder in the order of the names, so a corpus may come in
shards (`test-00000-of-00002.parquet` belongs to the split "test").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from homing.dataset.model import Dataset, check_dataset, usual_order
from homing.dataset.parsing import add_unique, grade_of
from homing.dataset.records import (
    passage_of,
    passage_row,
    passage_schema,
    question_fields,
    question_row,
    question_schema,
)
from homing.dataset.tables import read_table, write_table
from homing.errors import UsageError
from homing.types import Passage, Qrel, Query

SHARD = re.compile(r"-\d+-of-\d+$")
FOLDERS = ("corpus", "queries", "qrels")
CORPUS = "corpus/corpus.parquet"
QUERIES = "queries/queries.parquet"


def is_mteb(folder: Path) -> bool:
    """Tell whether a folder holds a corpus in the MTEB layout."""
    return any(folder.glob("corpus/*.parquet"))


def save_dataset(dataset: Dataset, folder: Path) -> None:
    """Write a dataset as Parquet in the MTEB layout; equal datasets give equal bytes.

    Each file appears only when complete; Parquet files of an earlier dataset are removed.

    Raises:
        UsageError: If the parts of the dataset do not fit together.
    """
    check_dataset(dataset, str(folder))
    remove_others(folder, dataset.splits)
    groups = dataset.groups
    passages = ((*passage_row(p), groups.get(p.id)) for p in dataset.corpus.values())
    write_table(passages, folder / CORPUS, corpus_schema())
    queries = ((query.id, *question_row(query)) for query in dataset.queries.values())
    write_table(queries, folder / QUERIES, query_schema())
    for name, qrels in dataset.qrels.items():
        rows = ((q.query_id, q.passage_id, q.grade) for q in qrels)
        write_table(rows, folder / qrels_file(name), qrel_schema())


def remove_others(folder: Path, splits: Iterable[str]) -> None:
    """Remove the Parquet files of an earlier dataset that these splits' do not replace."""
    files = (CORPUS, QUERIES, *map(qrels_file, splits))
    replaced = {folder / file for file in files}
    for name in FOLDERS:
        for old in (folder / name).glob("*.parquet"):
            if old not in replaced:
                old.unlink()


def qrels_file(split: str) -> str:
    """Return where the judgements of a split lie in a dataset's folder."""
    return f"qrels/{split}.parquet"


def corpus_schema() -> Any:
    """Return the Arrow schema of a corpus: a passage's columns, and its duplicate group."""
    import pyarrow as pa

    return passage_schema().append(pa.field("group_id", pa.string()))


def query_schema() -> Any:
    """Return the Arrow schema of queries."""
    return question_schema("_id")


def qrel_schema() -> Any:
    """Return the Arrow schema of judgements."""
    import pyarrow as pa

    text = pa.string()
    return pa.schema([("query-id", text), ("corpus-id", text), ("score", pa.int64())])


def load_mteb(folder: Path) -> Dataset:
    """Return the dataset of a folder in the MTEB layout, ours with all fields as they were saved.

    Splits come in the order train, dev, test, others by name.

    Raises:
        UsageError: If a part is missing or unreadable, an id stands for two texts, or qrels name
            unknown ids.
    """
    corpus: dict[str, Passage] = {}
    groups: dict[str, str] = {}
    for path, row in _rows(folder, "corpus", ("_id", "text")):
        passage = passage_of(row)
        add_unique(corpus, passage.id, passage, f"{path}: the passage")
        if row.get("group_id") is not None:
            groups[passage.id] = row["group_id"]
    queries: dict[str, Query] = {}
    for path, row in _rows(folder, "queries", ("_id", "text")):
        query = Query(id=str(row["_id"]), **question_fields(row))
        add_unique(queries, query.id, query, f"{path}: the query")
    qrels = {name: list(_load_qrels(paths)) for name, paths in _split_files(folder).items()}
    return check_dataset(Dataset(corpus, queries, qrels, groups), str(folder))


def iter_mteb_corpus(folder: Path) -> Iterator[Passage]:
    """Yield the passages of a folder in the MTEB layout, without holding them all.

    Raises:
        UsageError: A file cannot be read.
    """
    for _, row in _rows(folder, "corpus", ("_id", "text")):
        yield passage_of(row)


def sample_mteb_questions(folder: Path, split: str, n: int) -> list[str]:
    """Return the texts of the first `n` questions of a split, or of the first that there is.

    None where the folder holds a corpus alone.

    Raises:
        UsageError: A file cannot be read.
    """
    if not any((folder / "qrels").glob("*.parquet")):
        return []
    files = _split_files(folder)
    asked: dict[str, str] = {}
    for qrel in _load_qrels(files.get(split) or next(iter(files.values()))):
        if qrel.grade >= 1 and len(asked) < n:
            asked.setdefault(qrel.query_id, "")
    for _, row in _rows(folder, "queries", ("_id", "text")):
        if str(row["_id"]) in asked:
            asked[str(row["_id"])] = row["text"] or ""
    return [text for text in asked.values() if text]


def _rows(
    folder: Path, part: str, required: tuple[str, ...]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in _files(folder, part):
        for row in read_table(path, required):
            yield path, row


def _files(folder: Path, part: str) -> list[Path]:
    paths = sorted((folder / part).glob("*.parquet"))
    if not paths:
        raise UsageError(
            f"{folder} has a corpus but no {part}/*.parquet: it is not a whole dataset. "
            "In a workspace, `homing curate` (or `homing run`) makes what is missing."
        )
    return paths


def _split_files(folder: Path) -> dict[str, list[Path]]:
    shards: dict[str, list[Path]] = {}
    for path in _files(folder, "qrels"):
        shards.setdefault(SHARD.sub("", path.stem), []).append(path)
    return {name: shards[name] for name in usual_order(shards)}


def _load_qrels(paths: list[Path]) -> Iterator[Qrel]:
    # NanoBEIR keeps no scores: whatever it names is relevant.
    for path in paths:
        for row in read_table(path, ("query-id", "corpus-id")):
            grade = grade_of(row.get("score", 1), str(path))
            yield Qrel(str(row["query-id"]), str(row["corpus-id"]), grade)
