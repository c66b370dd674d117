"""Files to documents and passages, in batches whose texts stay with the workers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from homing.dataset import iter_rejections
from homing.dataset.records import rejection_schema
from homing.dataset.tables import read_table
from homing.engine.base import Failure
from homing.engine.local import LocalEngine
from homing.errors import NothingToDoError
from homing.ingestion.batches import REJECTIONS as REJECTION_TABLE
from homing.ingestion.batches import Batch, batches_of, read_batch, reject_batch
from homing.ingestion.chunking import Chunker
from homing.ingestion.files import SourceFile, find_files
from homing.ingestion.reading import ingest_and_chunk
from homing.pipeline.earlier_reading import Rows, merge_tables, unchanged
from homing.pipeline.job import (
    DOCUMENTS,
    PASSAGES,
    REJECTIONS,
    Job,
    StageResult,
    check_sources,
    plural,
    run_stage,
)
from homing.pipeline.sharding import (
    Part,
    Piece,
    forget_parts,
    make_here,
    make_parts,
    name_for,
    put_together,
    summaries,
)
from homing.progress import Task, say, track
from homing.retrieval.models import load_tokenizer_file
from homing.storage import is_remote
from homing.types import Document, Passage, Rejection
from homing.workspace import Workspace, hash_code, hash_file

REJECTED = f"{REJECTIONS}/ingest.parquet"
UNREADABLE = "unreadable"
"""Stands for the hash of a file that cannot be opened; it becomes a rejection when it is read."""
TOKENIZER = "the base model's tokenizer"
READING = "ingest/files"
ROOMS = (
    "pipeline/ingestion",
    "pipeline/earlier_reading",
    "pipeline/sharding",
    "ingestion",
    "language",
    "engine",
    "dataset",
)
N_REASONS = 3
"""So many rejected files are named when there is nothing to go on with."""


class Ingested(NamedTuple):
    """What came out of some files; every file is a document or a rejection."""

    documents: list[Document]
    passages: list[Passage]
    rejections: list[Rejection]


def ingest(
    *sources: str | Path,
    base_model: str | None = None,
    max_tokens: int = 256,
    time_limit_s: float = 120.0,
    workers: int = 0,
) -> Ingested:
    """Return the documents and passages of files, folders and globs.

    Args:
        base_model: Passages are counted in its tokens; None takes the embedded default.
        max_tokens: Longest passage.
        time_limit_s: For one file.
        workers: Files read at the same time; 0 means one for each core.

    Raises:
        UsageError: A source does not exist.
        NothingToDoError: No file could be read; the message says why.
    """
    files, tokenizer = find_files(sources), load_tokenizer_file(base_model)
    made = Ingested([], [], [])
    with LocalEngine(workers or None) as engine, track("Reading files", len(files)) as task:
        for item in ingest_and_chunk(
            files,
            tokenizer_file=tokenizer,
            max_tokens=max_tokens,
            engine=engine,
            time_limit_s=time_limit_s,
        ):
            task.advance()
            if isinstance(item, Rejection):
                made.rejections.append(item)
            else:
                made.documents.append(item[0])
                made.passages.extend(item[1])
    if not made.passages:
        raise _nothing_to_do(len(files), len(made.rejections), made.rejections[:N_REASONS])
    return made


def ingest_stage(job: Job) -> StageResult:
    """Read the sources into `documents/`, unless nothing in them has changed."""
    settings = job.settings.ingest
    check_sources(job.settings.sources, job.workspace.folder)
    tokenizer = load_tokenizer_file(job.settings.train.base_model)
    files = _outside_workspaces(find_files(job.settings.sources))
    inputs = {f.name: _fingerprint(f) for f in files} | {TOKENIZER: hash_file(tokenizer)}
    result = run_stage(
        job,
        "ingest",
        lambda: _ingest_into(job, files, inputs, Chunker(tokenizer, settings.max_tokens)),
        describe_ingested,
        inputs=inputs,
        settings=settings.affecting_result(),
        rooms=ROOMS,
        outputs=[DOCUMENTS, PASSAGES, REJECTED],
    )
    forget_parts(job, "ingest")
    return result


def describe_ingested(summary: Mapping[str, Any]) -> str:
    """Return what came out, such as "545 pages in 2 files → 1,630 passages (3 rejected)"."""
    files = plural(summary["n_files"], "file")
    pages = f"{plural(summary['n_pages'], 'page')} in {files}" if summary["n_pages"] else files
    rejected = f" ({summary['n_rejected']:,} rejected)" if summary["n_rejected"] else ""
    if summary["n_read"] < summary["n_files"]:
        pages += f", {summary['n_read']:,} of them read anew,"
    return f"{pages} → {plural(summary['n_passages'], 'passage')}{rejected}"


def _ingest_into(
    job: Job, files: Sequence[SourceFile], inputs: Mapping[str, str], chunker: Chunker
) -> dict[str, Any]:
    known = unchanged(job, inputs, always=TOKENIZER, rooms=ROOMS, but_not=UNREADABLE)
    anew = [file for file in files if file.name not in known]
    n_pages = sum(_n_pages(job, known)) if known else 0
    parts = _Reading(job, inputs, chunker).parts(anew)
    n_documents, n_passages = merge_tables(job, files, known, parts)
    n_rejected = put_together(job, parts, REJECTION_TABLE, REJECTED, rejection_schema())
    first = list(islice(iter_rejections(job.path(REJECTED)), N_REASONS))
    if not n_passages:
        # What failed may have been the machine's fault, so nothing of it is kept.
        forget_parts(job, "ingest")
        raise _nothing_to_do(len(files), n_rejected, first)
    for text in _reasons(n_rejected, first):
        say(f"ingest: {text}")
    return {
        "n_files": len(files),
        "n_read": len(anew),
        "n_documents": n_documents,
        "n_pages": n_pages + sum(summaries(parts, "n_pages")),
        "n_passages": n_passages,
        "n_rejected": n_rejected,
    }


@dataclass(frozen=True)
class _Reading:
    """Files being read by workers, in batches."""

    job: Job
    inputs: Mapping[str, str]
    chunker: Chunker

    def parts(self, files: Sequence[SourceFile]) -> list[Part]:
        """Return what was made of the files, in order; of one that workers die of, a rejection."""
        pieces = self._pieces(list(batches_of(files)))
        with track("Reading files", len(files)) as task:
            return [
                part
                for piece, made in zip(pieces, self._make(pieces, task), strict=True)
                for part in ([made] if isinstance(made, Part) else self._one_by_one(piece, made))
            ]

    def _one_by_one(self, piece: Piece[Batch], failure: Failure) -> list[Part]:
        """Return the parts of a batch's files, each read by itself.

        Also where there is one alone: its worker may have been killed for no fault of the file.
        """
        if len(piece.item.files) == 1 and failure.reason == "timed_out":
            return [self._reject(piece, failure)]
        pieces = self._pieces(piece.item.single())
        return [
            made if isinstance(made, Part) else self._reject(piece, made)
            for piece, made in zip(pieces, self._make(pieces), strict=True)
        ]

    def _make(
        self, pieces: Sequence[Piece[Batch]], task: Task | None = None
    ) -> list[Part | Failure]:
        base_s = self.job.settings.ingest.time_limit_s
        return make_parts(
            self.job,
            READING,
            partial(read_batch, chunker=self.chunker),
            pieces,
            task=task,
            time_limit_s=partial(Batch.time_limit_s, base_s=base_s),
        )

    def _reject(self, piece: Piece[Batch], failure: Failure) -> Part:
        return make_here(self.job, READING, partial(reject_batch, failure=failure), piece)

    def _pieces(self, batches: Sequence[Batch]) -> list[Piece[Batch]]:
        settings = json.dumps(self.job.settings.ingest.affecting_result(), sort_keys=True)
        common = [hash_code(*ROOMS), settings, self.inputs[TOKENIZER]]
        pieces = []
        for batch in batches:
            names = [text for file in batch.files for text in (file.name, self.inputs[file.name])]
            name = name_for("\0".join([*common, *names]))
            pieces.append(Piece(name, batch, len(batch.files)))
        return pieces


def _n_pages(job: Job, known: Mapping[str, Rows]) -> Iterator[int]:
    """Yield the pages of documents that are taken over."""
    columns = ("path", "page_starts")
    for row in read_table(job.path(DOCUMENTS), columns, only=columns):
        if row["path"] in known:
            yield len(row["page_starts"])


def _nothing_to_do(n_files: int, n_rejected: int, first: Sequence[Rejection]) -> NothingToDoError:
    """Return the error for files of which no passage came out, with the first reasons."""
    found = f"None of the {plural(n_files, 'file')} could be read" if n_files else "No file found"
    reasons = _reasons(n_rejected, first)
    return NothingToDoError(" ".join([f"{found}, so there is nothing to tune on.", *reasons]))


def _reasons(n_rejected: int, first: Sequence[Rejection]) -> list[str]:
    """Return why files were not read, a sentence for each of the first ones."""
    n_more = n_rejected - len(first)
    more = [f"And {n_more:,} more."] if n_more else []
    return [*(r.detail or f"{r.item_id}: {r.reason}" for r in first), *more]


def _outside_workspaces(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Return the files that are not results of some job that lies among the documents."""
    known: dict[Path, bool] = {}

    def inside(folder: Path) -> bool:
        if folder not in known:
            known[folder] = Workspace.is_at(folder) or (
                folder != folder.parent and inside(folder.parent)
            )
        return known[folder]

    return [file for file in files if is_remote(file.place) or not inside(file.path.parent)]


def _fingerprint(file: SourceFile) -> str:
    try:
        return file.fingerprint()
    except OSError:
        return UNREADABLE
