"""Files to documents: which reader, what becomes of its output, and of what cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

from homing.engine.base import Engine, Failure, Outcome
from homing.errors import StorageError
from homing.ingestion.chunking import Chunker
from homing.ingestion.files import SourceFile
from homing.ingestion.formats import MAX_BYTES, check_size, find_reader
from homing.ingestion.raw import RawDocument, UnreadableError
from homing.ingestion.titles import is_sensible_title
from homing.language import guess_language
from homing.storage import local_copy, name_of
from homing.types import Document, Heading, Passage, Rejection, content_id

TIME_LIMIT_S = 120.0
EXTRA_S_PER_MB = 4.0
"""The time limit of a file grows with its size, so that a very long one is not cut off."""

MAX_TEXT = 2000
OPENING_CHARACTERS = 2000
"""A heading this near the beginning can be the document's title."""

FAILURES = {
    "crashed": ("reader_crashed", "Its reader crashed; save it anew or in another format."),
    "timed_out": ("timed_out", "Split the file, or allow more time."),
    "raised": ("reader_failed", "Its reader failed; save it anew or in another format."),
}

Result = TypeVar("Result")


def read_document(source: SourceFile, *, max_bytes: int = MAX_BYTES) -> Document:
    """Return one file as a document, in this process.

    Raises:
        UnreadableError: With the reason and the remedy, where the file cannot become a document.
    """
    if source.n_bytes is not None:  # before it is fetched
        check_size(name_of(source.place), source.n_bytes, max_bytes)
    with local_copy(source.place) as path:
        raw = find_reader(path, max_bytes)(path)
    text, page_starts, headings = assemble(raw)
    if not text:
        raise UnreadableError("no_text", f"{source.name} was read, but there is no text in it.")
    return Document(
        id=content_id(source.name, text),
        path=source.name,
        title=find_title(raw, headings, source.name),
        text=text,
        page_starts=page_starts if raw.paged else (),
        headings=headings,
        language=guess_language(text) or raw.language,
    )


def assemble(raw: RawDocument) -> tuple[str, tuple[int, ...], tuple[Heading, ...]]:
    """Return text, page starts and headings of a reader's output, offsets into that text."""
    pieces: list[str] = []
    position = 0
    page_starts = []
    headings = []
    for page in raw.pages:
        started = False
        for block in page:
            glue = block.glue if position else ""
            position += len(glue)
            if not started:
                page_starts.append(position)
                started = True
            pieces += (glue, block.text)
            if block.level:
                title = " ".join(block.text.split())
                headings.append(Heading(block.level, title, position, position + len(block.text)))
            position += len(block.text)
        if not started:
            page_starts.append(position)
    return "".join(pieces), tuple(page_starts), tuple(headings)


def find_title(raw: RawDocument, headings: Sequence[Heading], name: str) -> str:
    """Return the title that the file states, else its opening heading, else its name in words."""
    if is_sensible_title(raw.title):
        return " ".join(raw.title.split())
    if headings and not raw.paged and headings[0].start < OPENING_CHARACTERS:
        outermost = min(heading.level for heading in headings)
        if headings[0].level == outermost:
            return headings[0].title
    stem = PurePosixPath(name).stem
    return " ".join(re.split(r"[\s_]+|(?<=\w)-(?=\w)", stem)).strip() or name


def ingest(
    sources: Sequence[SourceFile], *, engine: Engine, time_limit_s: float = TIME_LIMIT_S
) -> Iterator[Document | Rejection]:
    """Yield a document, or the reason why there is none, for each source in order.

    Args:
        sources: From `find_files`.
        engine: Each file is read in one of its processes, so that one that crashes or hangs its
            reader costs that file alone.
        time_limit_s: For one file; `EXTRA_S_PER_MB` come on top.
    """
    outcomes = engine.map(_read, sources, time_limit_s=partial(_limit, time_limit_s))
    for outcome in outcomes:
        yield _settled(outcome)


def ingest_and_chunk(
    sources: Sequence[SourceFile],
    *,
    tokenizer_file: Path,
    max_tokens: int = 256,
    engine: Engine,
    time_limit_s: float = TIME_LIMIT_S,
) -> Iterator[tuple[Document, list[Passage]] | Rejection]:
    """Yield a document and its passages, or a rejection, for each source in order.

    Reading and chunking happen in the same worker process; see `ingest` and `Chunker`.
    """
    job = partial(read_and_chunk, chunker=Chunker(tokenizer_file, max_tokens))
    outcomes = engine.map(job, sources, time_limit_s=partial(_limit, time_limit_s))
    for outcome in outcomes:
        yield _settled(outcome)


def limit_of(n_bytes: int, base_s: float) -> float:
    """Return the seconds that a file of this size may take."""
    return base_s + EXTRA_S_PER_MB * n_bytes / 1e6


def _limit(base_s: float, source: SourceFile) -> float:
    return limit_of(source.size(), base_s)


def _read(source: SourceFile) -> Document | Rejection:
    """Return the document, or the rejection with the reader's reason."""
    try:
        return read_document(source)
    except UnreadableError as error:
        return Rejection(source.name, "ingest", error.reason, error.detail)
    except OSError as error:
        return _unreachable(source, error.strerror or str(error))
    except StorageError as error:
        return _unreachable(source, str(error))


def read_and_chunk(
    source: SourceFile, chunker: Chunker
) -> tuple[Document, list[Passage]] | Rejection:
    """Return a file as a document and its passages, or why not, in this process."""
    document = _read(source)
    if isinstance(document, Rejection):
        return document
    passages = chunker.chunk(document)
    if passages:
        return document, passages
    detail = f"{source.name} has headings, but no text below them that could become a passage."
    return Rejection(source.name, "ingest", "no_passages", detail, document.text[:MAX_TEXT])


def _unreachable(source: SourceFile, why: str) -> Rejection:
    detail = f"{source.name} cannot be opened ({why}). Check its permissions."
    return Rejection(source.name, "ingest", "not_accessible", detail)


def _settled(outcome: Outcome[SourceFile, Result | Rejection]) -> Result | Rejection:
    """Return the value of an outcome, or the rejection for what went wrong around the reader."""
    if outcome.failure is None:
        assert outcome.value is not None
        return outcome.value
    return rejected(outcome.item, outcome.failure)


def rejected(source: SourceFile, failure: Failure) -> Rejection:
    """Return the rejection of a file for what went wrong around its reader."""
    reason, advice = FAILURES[failure.reason]
    detail = f"{source.name}: {failure.detail}. {advice}"
    return Rejection(source.name, "ingest", reason, detail)
