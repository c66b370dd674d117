"""Files to documents and passages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from homing.dataset import (
    iter_documents,
    iter_passages,
    save_documents,
    save_passages,
    save_rejections,
)
from homing.engine.base import Engine
from homing.engine.local import LocalEngine
from homing.errors import NothingToDoError
from homing.ingestion.files import SourceFile, find_files
from homing.ingestion.reading import ingest_and_chunk
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
from homing.progress import track
from homing.retrieval.models import load_tokenizer_file
from homing.types import Document, Passage, Rejection
from homing.workspace import Workspace, hash_code, hash_file

REJECTED = f"{REJECTIONS}/ingest.parquet"
UNREADABLE = "unreadable"
"""Stands for the hash of a file that cannot be opened; it becomes a rejection when it is read."""
TOKENIZER = "the base model's tokenizer"
ROOMS = ("pipeline/ingestion", "ingestion", "language", "engine", "dataset")
N_REASONS = 3
"""So many rejected files are named when there is nothing to go on with."""

Read = tuple[Document, list[Passage]]


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
    with LocalEngine(workers or None) as engine:
        reading = _Reading(files, tokenizer, max_tokens, time_limit_s, engine)
        documents = list(reading.documents())
    reading.refuse_nothing()
    return Ingested(documents, reading.passages, reading.rejections)


def ingest_stage(job: Job) -> StageResult:
    """Read the sources into `documents/`, unless nothing in them has changed."""
    settings = job.settings.ingest
    check_sources(job.settings.sources, job.workspace.folder)
    tokenizer = load_tokenizer_file(job.settings.train.base_model)
    files = _outside_workspaces(find_files(job.settings.sources))
    inputs = {f.name: _hash(f.path) for f in files} | {TOKENIZER: _hash(tokenizer)}
    return run_stage(
        job,
        "ingest",
        lambda: _ingest_into(
            job,
            _Reading(
                files,
                tokenizer,
                settings.max_tokens,
                settings.time_limit_s,
                job.engine,
                known=_unchanged(job, inputs),
            ),
        ),
        describe_ingested,
        inputs=inputs,
        settings=settings.affecting_result(),
        rooms=ROOMS,
        outputs=[DOCUMENTS, PASSAGES, REJECTED],
    )


def describe_ingested(summary: Mapping[str, Any]) -> str:
    """Return what came out, such as "545 pages in 2 files → 1,630 passages (3 rejected)"."""
    files = plural(summary["n_files"], "file")
    pages = f"{plural(summary['n_pages'], 'page')} in {files}" if summary["n_pages"] else files
    rejected = f" ({summary['n_rejected']:,} rejected)" if summary["n_rejected"] else ""
    if summary["n_read"] < summary["n_files"]:
        pages += f", {summary['n_read']:,} of them read anew,"
    return f"{pages} → {plural(summary['n_passages'], 'passage')}{rejected}"


@dataclass
class _Reading:
    """Files being read: documents are handed on one by one, the rest is gathered beside them.

    Attributes:
        known: Name of a file -> what was made of the same bytes before.
    """

    files: Sequence[SourceFile]
    tokenizer: Path
    max_tokens: int
    time_limit_s: float
    engine: Engine
    known: Mapping[str, Read] = field(default_factory=dict)
    passages: list[Passage] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)

    def documents(self) -> Iterator[Document]:
        """Yield the documents in the order of the files."""
        anew = self.to_read()
        with track("Reading files", len(anew)) as task:
            items = ingest_and_chunk(
                anew,
                tokenizer_file=self.tokenizer,
                max_tokens=self.max_tokens,
                engine=self.engine,
                time_limit_s=self.time_limit_s,
            )
            for file in self.files:
                item: Read | Rejection
                if file.name in self.known:
                    item = self.known[file.name]
                else:
                    item = next(items)
                    task.advance()
                if isinstance(item, Rejection):
                    self.rejections.append(item)
                    continue
                document, passages = item
                self.passages.extend(passages)
                yield document

    def to_read(self) -> list[SourceFile]:
        """Return the files that have to be opened."""
        return [file for file in self.files if file.name not in self.known]

    def refuse_nothing(self) -> None:
        """Raise `NothingToDoError` with the reasons if no passage came out."""
        if self.passages:
            return
        n_files = len(self.files)
        found = (
            f"None of the {plural(n_files, 'file')} could be read" if n_files else "No file found"
        )
        shown = [r.detail or f"{r.item_id}: {r.reason}" for r in self.rejections[:N_REASONS]]
        n_more = len(self.rejections) - len(shown)
        more = [f"And {n_more:,} more."] if n_more else []
        raise NothingToDoError(
            " ".join([f"{found}, so there is nothing to tune on.", *shown, *more])
        )


def _ingest_into(job: Job, reading: _Reading) -> dict[str, Any]:
    n_pages = 0

    def counted() -> Iterator[Document]:
        nonlocal n_pages
        for document in reading.documents():
            n_pages += len(document.page_starts)
            yield document

    n_documents = save_documents(counted(), job.path(DOCUMENTS))
    n_passages = save_passages(reading.passages, job.path(PASSAGES))
    n_rejected = save_rejections(reading.rejections, job.path(REJECTED))
    reading.refuse_nothing()
    return {
        "n_files": len(reading.files),
        "n_read": len(reading.to_read()),
        "n_documents": n_documents,
        "n_pages": n_pages,
        "n_passages": n_passages,
        "n_rejected": n_rejected,
    }


def _unchanged(job: Job, inputs: Mapping[str, str]) -> dict[str, Read]:
    """Return what the last run made of files that have not changed, by name.

    Rejected files are read again: what failed may have been the machine's fault.
    """
    old = job.workspace.manifest("ingest")
    if (
        old is None
        or old.settings != job.settings.ingest.affecting_result()
        or old.code != hash_code(*ROOMS)
        or old.inputs.get(TOKENIZER) != inputs[TOKENIZER]
    ):
        return {}
    saved = (DOCUMENTS, PASSAGES)
    if not all(job.path(name).is_file() for name in saved):
        return {}
    if job.workspace.hashes(*saved) != {name: old.outputs[name][1] for name in saved}:
        return {}
    same = {n for n, digest in inputs.items() if old.inputs.get(n) == digest != UNREADABLE}
    documents = [d for d in iter_documents(job.path(DOCUMENTS)) if d.path in same]
    passages: dict[str, list[Passage]] = {d.id: [] for d in documents}
    for passage in iter_passages(job.path(PASSAGES)):
        if passage.document_id in passages:
            passages[passage.document_id].append(passage)
    return {d.path: (d, passages[d.id]) for d in documents}


def _outside_workspaces(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Return the files that are not results of some job that lies among the documents."""
    known: dict[Path, bool] = {}

    def inside(folder: Path) -> bool:
        if folder not in known:
            known[folder] = Workspace.is_at(folder) or (
                folder != folder.parent and inside(folder.parent)
            )
        return known[folder]

    return [file for file in files if not inside(file.path.parent)]


def _hash(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError:
        return UNREADABLE
