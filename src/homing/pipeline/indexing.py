"""A dataset's passages into a store of vectors that others search."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homing.dataset import Corpus, open_corpus
from homing.deployment.backends import Backend, encoder_at
from homing.deployment.indexes.indexing import Filled, facts_of, fill, prepare
from homing.deployment.indexes.locations import parse_location
from homing.deployment.indexes.opening import open_store
from homing.deployment.indexes.records import Record, record_of
from homing.deployment.indexes.verifying import SAMPLED_QUESTIONS, Verified, verify
from homing.errors import UsageError
from homing.pipeline.copies import on_copies
from homing.pipeline.export_facts import workspace_model
from homing.pipeline.job import EMBEDDINGS, open_job, own_settings, paths_of_documents, plural
from homing.retrieval.streamed_cache import StreamedCache
from homing.settings import load_settings
from homing.types import Encoder
from homing.workspace import Workspace


@dataclass(frozen=True)
class Indexed:
    """What became of a store, for people and for programs.

    Attributes:
        to: The location, without a password.
        model: What embedded the passages.
        had_index: Whether the store held an index of these very vectors before.
    """

    to: str
    model: str
    backend: str
    had_index: bool
    filled: Filled
    verified: Verified
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        return {
            "to": self.to,
            "model": self.model,
            "backend": self.backend,
            "had_index": self.had_index,
            "n_passages": self.filled.n_passages,
            "n_written": self.filled.n_written,
            "n_kept": self.filled.n_kept,
            "n_removed": self.filled.n_removed,
            "n_left": self.filled.n_left,
            "seconds": self.seconds,
            "verified": self.verified.as_json(),
        }

    @property
    def text(self) -> str:
        """The same for a person, in a few lines."""
        done, seen = self.filled, self.verified
        counts = f"{done.n_written:,} written, {done.n_kept:,} kept, {done.n_removed:,} removed"
        if done.n_left:
            counts += f", {done.n_left:,} left that the corpus no longer has"
        lines = [f"{plural(done.n_passages, 'passage')} in {self.to}: {counts}"]
        if self.had_index and not done.n_written:
            lines.append("The passages' vectors are the same, so the index stays as it is.")
        lines.append(_seen_text(seen))
        return "\n".join(lines)


@on_copies(write=False)
def index(
    source: str | Path,
    to: str,
    *,
    model: str | Path | None = None,
    backend: Backend = "torch",
    batch_size: int | None = None,
    keep_removed: bool = False,
    replace: bool = False,
) -> Indexed:
    """Bring the store at a location in line with a dataset's passages, and say what was seen.

    Args:
        source: A workspace, whose tuned model embeds, or any dataset with a `model`.
        to: Where, such as "lancedb:./db".
        model: A model folder or hub id; for another backend than torch, an export.
        batch_size: Passages written at a time; None takes what suits the store.
        keep_removed: Whether passages stay that the corpus no longer has.
        replace: Whether an index of another model gives way.

    Raises:
        UsageError: Location, model or store are not sound; what is there already is left alone.
        ModelNotFoundError: The model cannot be had.
        MissingDependencyError: Without the extra of the store or the backend.
        StoreError: The store fails.
        WorkspaceBusyError: Another job works in the workspace or in the store.
    """
    location = parse_location(to)
    started = time.monotonic()
    is_workspace = Workspace.is_at(source)
    hold = open_job(source, create=False, keep_settings=False) if is_workspace else nullcontext()
    with hold, closing(open_store(location, write=True)) as store:
        corpus = open_corpus(source, SAMPLED_QUESTIONS)
        name = model_name(source, model, backend)
        encoder = model_encoder(source, name, backend)
        had_index = prepare(store, facts_of(encoder, name), str(location), replace=replace)
        records = CorpusRecords(corpus, paths_of_documents(source))
        filled = fill(store, records, encoder, batch_size=batch_size, keep_removed=keep_removed)
        verified = verify(store, records, filled.n_passages, encoder, corpus.questions)
    seconds = round(time.monotonic() - started, 3)
    return Indexed(str(location), name, backend, had_index, filled, verified, seconds)


def model_name(source: str | Path, model: str | Path | None, backend: Backend) -> str:
    """Return the model's folder or hub id: the one named, else the workspace's own.

    Raises:
        UsageError: There is none, or an export of another model than the workspace's; the message
            names the verb that makes it.
    """
    if model is not None:
        return str(model)
    if not Workspace.is_at(source):
        raise UsageError(
            f"{source} is no workspace, so name the model that embeds its passages: "
            f"homing index {source} --model FOLDER --to …"
        )
    return str(workspace_model(Path(source), backend))


def model_encoder(source: str | Path, name: str, backend: Backend) -> Encoder:
    """Return the encoder of a model, with a workspace's longest input and its kept vectors."""
    if not Workspace.is_at(source):
        return encoder_at(name, backend)
    settings = load_settings(own_settings(source))
    encoder = encoder_at(name, backend, settings.train.max_tokens)
    return StreamedCache(encoder, Path(source) / EMBEDDINGS)


class CorpusRecords:
    """What is stored of a corpus, from the first passage on, as often as it is called."""

    def __init__(self, corpus: Corpus, paths: dict[str, str]) -> None:
        self.corpus = corpus
        self.paths = paths

    def __call__(self) -> Iterator[Record]:
        for passage in self.corpus.passages():
            yield record_of(passage, self.paths.get(passage.document_id, ""))


def _seen_text(seen: Verified) -> str:
    same = (
        "equal the model's bit for bit"
        if seen.n_bit_identical == seen.n_sampled
        else f"have a cosine of at least {seen.least_cosine:.6f} with the model's"
    )
    text = (
        f"Verified: {seen.n_stored:,} stored; {seen.n_sampled} sampled vectors {same}, and "
        f"{seen.n_found_first} find themselves first"
    )
    if seen.recall is None:
        return f"{text}."
    how = "exact" if seen.is_exact else "approximate"
    return (
        f"{text}; {seen.n_same_top_k} of {seen.n_questions} questions give the same top {seen.k} "
        f"as exact search (recall {seen.recall:.4f}, the store's search is {how})."
    )
