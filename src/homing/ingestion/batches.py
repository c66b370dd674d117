"""Files read and cut a batch at a time, by workers that keep the texts to themselves.

A worker writes what it made of a batch into tables and returns counts alone, so that whoever hands
out the batches holds a few numbers for each file. One that dies or is late costs its batch, which
is then read again file by file, so that in the end it costs one file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from homing.dataset import save_documents, save_passages, save_rejections
from homing.engine.base import Failure
from homing.engine.worker import describe
from homing.ingestion.chunking import Chunker
from homing.ingestion.files import SourceFile
from homing.ingestion.reading import limit_of, read_and_chunk, rejected
from homing.storage import join
from homing.types import Document, Passage, Rejection

FILES_IN_BATCH = 256
BYTES_IN_BATCH = 8_000_000
BATCHES = 64
"""There are at least so many batches where there are as many files: then every worker has work to
the end, and little is lost with one."""

DOCUMENTS = "documents"
PASSAGES = "passages"
REJECTIONS = "rejections"


@dataclass(frozen=True, slots=True)
class Batch:
    """Some files, and how large they are together."""

    files: tuple[SourceFile, ...]
    n_bytes: int

    def time_limit_s(self, base_s: float) -> float:
        """Return the seconds that the batch may take: those of one file with all its bytes."""
        return limit_of(self.n_bytes, base_s)

    def single(self) -> list[Batch]:
        """Return batches of one file each."""
        return [Batch((file,), file.size()) for file in self.files]


def batches_of(sources: Sequence[SourceFile]) -> Iterator[Batch]:
    """Yield the files in batches, in order, bounded in number and in bytes."""
    most = min(max(len(sources) // BATCHES, 1), FILES_IN_BATCH)
    batch: list[SourceFile] = []
    n_bytes = 0
    for source in sources:
        size = source.size()
        if batch and (len(batch) >= most or n_bytes + size > BYTES_IN_BATCH):
            yield Batch(tuple(batch), n_bytes)
            batch, n_bytes = [], 0
        batch.append(source)
        n_bytes += size
    if batch:
        yield Batch(tuple(batch), n_bytes)


def read_batch(batch: Batch, folder: str, *, chunker: Chunker) -> dict[str, Any]:
    """Return counts; save documents, passages and rejections of the files into a folder.

    `n_passages` has the passages of each file, 0 for one that is rejected.
    """
    documents: list[Document] = []
    passages: list[Passage] = []
    rejections: list[Rejection] = []
    counts = []
    for source in batch.files:
        made = _guarded(source, chunker)
        if isinstance(made, Rejection):
            rejections.append(made)
            counts.append(0)
            continue
        documents.append(made[0])
        passages += made[1]
        counts.append(len(made[1]))
    _save(folder, documents, passages, rejections)
    return {"n_pages": sum(len(d.page_starts) for d in documents), "n_passages": counts}


def reject_batch(batch: Batch, folder: str, *, failure: Failure) -> dict[str, Any]:
    """Return counts as `read_batch` does, of files of which workers die."""
    _save(folder, [], [], [rejected(source, failure) for source in batch.files])
    return {"n_pages": 0, "n_passages": [0 for _ in batch.files]}


def _guarded(source: SourceFile, chunker: Chunker) -> tuple[Document, list[Passage]] | Rejection:
    try:
        return read_and_chunk(source, chunker)
    except (Exception, SystemExit) as error:  # a reader, given any file there is
        return rejected(source, Failure("raised", describe(error)))


def _save(
    folder: str,
    documents: Sequence[Document],
    passages: Sequence[Passage],
    rejections: Sequence[Rejection],
) -> None:
    """Save all three tables, also those without rows."""
    save_documents(documents, join(folder, f"{DOCUMENTS}.parquet"))
    save_passages(passages, join(folder, f"{PASSAGES}.parquet"))
    save_rejections(rejections, join(folder, f"{REJECTIONS}.parquet"))
