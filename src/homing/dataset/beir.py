"""Datasets in the BEIR layout: `corpus.jsonl`, `queries.jsonl`, `qrels/{split}.tsv`.

A title becomes a heading path of one; documents, spans and masks have no place in this layout.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from homing.dataset.model import Dataset, check_dataset, usual_order
from homing.dataset.parsing import add_unique, grade_of, read_text, text_of
from homing.dataset.records import passage_of
from homing.dataset.tables import atomic
from homing.errors import UsageError
from homing.types import Passage, Qrel, Query

HEADER = "query-id\tcorpus-id\tscore"


def is_beir(folder: Path) -> bool:
    """Tell whether a folder is laid out as BEIR's are."""
    return (folder / "corpus.jsonl").is_file()


def load_beir(folder: Path) -> Dataset:
    """Return the dataset of a BEIR folder; queries that no split names are kept.

    Raises:
        UsageError: If a file is missing or malformed (with its line), an id stands for two texts,
            or qrels name unknown ids.
    """
    corpus: dict[str, Passage] = {}
    for where, row in _json_lines(folder / "corpus.jsonl"):
        title = text_of(row.get("title") or "", f"{where}: the title")
        text = text_of(row["text"], f"{where}: the text")
        passage = passage_of({"_id": row["_id"], "title": title, "text": text})
        add_unique(corpus, passage.id, passage, f"{where}: the passage")
    queries: dict[str, Query] = {}
    for where, row in _json_lines(folder / "queries.jsonl"):
        query = Query(str(row["_id"]), text_of(row["text"], f"{where}: the text"))
        add_unique(queries, query.id, query, f"{where}: the query")
    paths = sorted((folder / "qrels").glob("*.tsv"))
    if not paths:
        raise UsageError(f"{folder} has no qrels/*.tsv, which say what answers each query.")
    by_name = {path.stem: path for path in paths}
    qrels = {name: list(_read_qrels(by_name[name])) for name in usual_order(by_name)}
    return check_dataset(Dataset(corpus, queries, qrels), str(folder))


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not splitlines(): JSON may hold U+2028 and its like unescaped inside a string.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{where} is not JSON ({error}).") from error
        if not isinstance(row, dict) or "_id" not in row or "text" not in row:
            raise UsageError(f'{where} should be an object with "_id" and "text".')
        yield where, row


def _read_qrels(path: Path) -> Iterator[Qrel]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip() or (number == 1 and line.strip().startswith("query-id")):
            continue
        fields = line.rstrip("\r").split("\t")
        where = f"{path}, line {number}"
        if len(fields) != 3:
            raise UsageError(
                f"{where} has {len(fields)} columns separated by tabs, not 3: "
                "query id, passage id, score."
            )
        yield Qrel(fields[0], fields[1], grade_of(fields[2], where))


def save_beir(dataset: Dataset, folder: Path) -> None:
    """Write a dataset in the BEIR layout; each file appears only when complete.

    Raises:
        UsageError: If an id holds a tab or a line break, which TSV cannot carry.
    """
    for item_id in (*dataset.corpus, *dataset.queries):
        if any(character in item_id for character in "\t\r\n"):
            raise UsageError(
                f"The id {item_id!r} cannot be written as TSV: it holds a tab or a line break."
            )
    corpus = ({"_id": p.id, "title": p.title, "text": p.text} for p in dataset.corpus.values())
    _write_lines(folder / "corpus.jsonl", map(_json, corpus))
    queries = ({"_id": query.id, "text": query.text} for query in dataset.queries.values())
    _write_lines(folder / "queries.jsonl", map(_json, queries))
    for old in (folder / "qrels").glob("*.tsv"):
        if old.stem not in dataset.qrels:
            old.unlink()
    for name, qrels in dataset.qrels.items():
        lines = [HEADER, *(f"{q.query_id}\t{q.passage_id}\t{q.grade}" for q in qrels)]
        _write_lines(folder / "qrels" / f"{name}.tsv", lines)


def _json(row: dict[str, str]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
