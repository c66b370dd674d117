"""What the last run made of files that have not changed: its rows are taken over as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from homing.dataset.records import document_schema, passage_schema
from homing.dataset.shards import RowStream, write_batches
from homing.dataset.tables import read_table
from homing.ingestion import batches
from homing.ingestion.files import SourceFile
from homing.pipeline.job import DOCUMENTS, PASSAGES, Job
from homing.pipeline.sharding import Part
from homing.workspace import hash_code


class Rows(NamedTuple):
    """Where the rows of one file are in the tables of the last run."""

    document: int
    first_passage: int
    n_passages: int


class Run(NamedTuple):
    """Rows that follow each other, in the tables of the last run or in the parts of this one."""

    is_earlier: bool
    first: int
    n_rows: int


def unchanged(
    job: Job, inputs: Mapping[str, str], *, always: str, rooms: Sequence[str], but_not: str
) -> dict[str, Rows]:
    """Return where the rows of each file are that has not changed since the last run.

    Rejected files are read again: what failed may have been the machine's fault.

    Args:
        inputs: File name -> digest of what it holds.
        always: The input that every file depends on.
        rooms: The stage's code.
        but_not: The digest of a file that cannot be read.
    """
    old = job.workspace.manifest("ingest")
    if (
        old is None
        or old.settings != job.settings.ingest.affecting_result()
        or old.code != hash_code(*rooms)
        or old.inputs.get(always) != inputs[always]
    ):
        return {}
    saved = (DOCUMENTS, PASSAGES)
    if not all(job.path(name).is_file() for name in saved):
        return {}
    if job.workspace.hashes(*saved) != {name: old.outputs[name][1] for name in saved}:
        return {}
    same = {n for n, digest in inputs.items() if old.inputs.get(n) == digest != but_not}
    return _in_order({n: r for n, r in _rows(job.path(DOCUMENTS), job.path(PASSAGES)) if n in same})


def merge_tables(
    job: Job, files: Sequence[SourceFile], known: Mapping[str, Rows], parts: Sequence[Part]
) -> tuple[int, int]:
    """Return how many documents and passages the workspace's tables now have.

    Args:
        files: All files, in order.
        known: The files whose rows are those of the last run.
        parts: What was made of the others, in order.
    """
    anew = iter([n for part in parts for n in part.summary["n_passages"]])
    counts = {file.name: next(anew) for file in files if file.name not in known}

    def document_runs() -> Iterator[Run]:
        for file in files:
            rows = known.get(file.name)
            yield Run(True, rows.document, 1) if rows else Run(False, 0, counts[file.name] > 0)

    def passage_runs() -> Iterator[Run]:
        for file in files:
            rows = known.get(file.name)
            yield Run(True, *rows[1:]) if rows else Run(False, 0, counts[file.name])

    merge = _Merge(job, bool(known), parts)
    return (
        merge.into(DOCUMENTS, batches.DOCUMENTS, document_runs(), document_schema()),
        merge.into(PASSAGES, batches.PASSAGES, passage_runs(), passage_schema()),
    )


@dataclass(frozen=True)
class _Merge:
    job: Job
    has_earlier: bool
    parts: Sequence[Part]

    def into(self, relative: str, table: str, runs: Iterator[Run], schema: Any) -> int:
        """Replace one of the workspace's tables; return how many rows it now has."""
        path = self.job.path(relative)
        earlier = RowStream([path] if self.has_earlier else [])
        fresh = RowStream([part.table(table) for part in self.parts])
        return write_batches(_rows_of(_joined(runs), earlier, fresh), path, schema)


def _rows_of(runs: Iterator[Run], earlier: RowStream, fresh: RowStream) -> Iterator[Any]:
    for run in runs:
        if run.is_earlier:
            earlier.go_to(run.first)
            yield from earlier.take(run.n_rows)
        else:
            yield from fresh.take(run.n_rows)


def _joined(runs: Iterator[Run]) -> Iterator[Run]:
    """Yield the runs, those that follow on each other as one."""
    held: Run | None = None
    for run in runs:
        if held is None:
            held = run
        elif held.is_earlier == run.is_earlier and (
            not run.is_earlier or held.first + held.n_rows == run.first
        ):
            held = held._replace(n_rows=held.n_rows + run.n_rows)
        else:
            yield held
            held = run
    if held is not None:
        yield held


def _rows(documents: Path, passages: Path) -> Iterator[tuple[str, Rows]]:
    """Yield (file name, its rows); the tables have the same documents in the same order."""
    own = read_table(passages, ("document_id",), only=("document_id",))
    groups = groupby(row["document_id"] for row in own)
    first = 0
    for number, document in enumerate(read_table(documents, ("id", "path"), only=("id", "path"))):
        document_id, rows = next(groups)
        assert document_id == document["id"]
        n = sum(1 for _ in rows)
        yield document["path"], Rows(number, first, n)
        first += n


def _in_order(known: Mapping[str, Rows]) -> dict[str, Rows]:
    """Return the files in the order of their names, as tables can only be read forwards.

    Of names with characters that a table cannot hold the saved form may sort elsewhere.
    """
    kept: dict[str, Rows] = {}
    last = -1
    for name in sorted(known):
        if known[name].document > last:
            kept[name] = known[name]
            last = known[name].document
    return kept
