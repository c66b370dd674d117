"""The vectors of a corpus, made by the workers of an engine.

Each shard's vectors become a part of the kept vectors (`retrieval/cache.py`), whose name says what
is in it: the later stages find them there as if they had made them themselves, and a shard that is
embedded is never embedded again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from homing.dataset.records import passage_of
from homing.dataset.shards import Shard, shards_of
from homing.errors import HomingError
from homing.pipeline.job import EMBEDDINGS, Job
from homing.pipeline.sharding import Part, Step, forget_parts, run_step
from homing.progress import muted
from homing.retrieval.cache import KEY_DIGITS, part_name, text_digest
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.stacked import StackedVectors, VectorFile
from homing.retrieval.streamed_cache import StreamedCache
from homing.storage import exists, is_remote, join, list_files, name_of, read_bytes, write_bytes
from homing.types import passage_input

CORPUS = "corpus/corpus.parquet"
COLUMNS = ("_id", "title", "text", "heading_path")
STEP = "embed"
LARGE = 100_000
"""Passages above which a corpus is not held in memory as vectors, whichever engine runs."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that every worker can load, and that gives the same vectors everywhere.

    Attributes:
        place: Folder or hub id, as the workers reach it.
        passage_key: Of what embeds passages; a worker whose model has another one stops.
        dimensions: Length of each vector.
        bf16: Whether it computes in bfloat16: where the driver does, the workers do too.
        max_tokens: Longest input; None takes the model's own.
        device: As in the settings; None lets the library choose.
    """

    place: str
    passage_key: str
    dimensions: int
    bf16: bool
    max_tokens: int | None = None
    device: str | None = None


class ModelDiffersError(HomingError):
    """A worker's model is not the one that the vectors are wanted of."""


def spec_of(encoder: SentenceTransformerEncoder, place: str, settings: Any) -> ModelSpec:
    """Return how workers load the model of an encoder.

    Args:
        place: Where they find it.
        settings: Those of training, which say longest input and device.
    """
    return ModelSpec(
        place,
        encoder.passage_key,
        encoder.dimensions,
        encoder.bf16,
        settings.max_tokens,
        settings.device,
    )


def shared_model(name: str) -> str:
    """Return a model's hub id, or its folder by a path that holds whatever a worker's own is."""
    folder = Path(name).expanduser()
    return str(folder.resolve()) if folder.is_dir() else name


def is_large(n_passages: int) -> bool:
    """Tell whether a corpus is searched over shards, and never held in memory as vectors."""
    return n_passages > LARGE


def embeds_by_workers(job: Job, n_passages: int) -> bool:
    """Tell whether the workers of the engine embed a corpus, and not this process."""
    return job.engine.name != "local" or is_large(n_passages)


def embed_corpus(job: Job, spec: ModelSpec) -> StackedVectors:
    """Return the vectors of the workspace's corpus, in its order; what is kept is not made again.

    They are within 1e-5 of those that one process makes, and the same where the texts of a row
    group are new and no two are equal: then batches are the same, too.

    Raises:
        EngineError: A worker failed; what others finished is kept.
    """
    folder = join(job.shared, EMBEDDINGS, spec.passage_key[:KEY_DIGITS])
    parts = _run(job, spec, folder)
    if not _are_there(parts, folder):
        # The parts say that they were made, but somebody removed what was kept.
        forget_parts(job, STEP)
        parts = _run(job, spec, folder)
    files = [VectorFile(join(folder, p.summary["file"]), p.summary["n_rows"]) for p in parts]
    vectors = StackedVectors(files, spec.dimensions)
    # This process reads them from the workspace's copy on this machine, as all stages do.
    return near(vectors, job.path(EMBEDDINGS) / spec.passage_key[:KEY_DIGITS])


def near(vectors: StackedVectors, folder: Path) -> StackedVectors:
    """Return the same vectors with those files that are elsewhere fetched into a folder."""
    return vectors.moved(lambda place: fetched(place, folder) if is_remote(place) else place)


def for_workers(vectors: StackedVectors, job: Job) -> StackedVectors:
    """Return the same vectors where the workers reach them."""
    if not is_remote(job.shared):
        return vectors
    here, there = str(job.path(EMBEDDINGS)), join(job.shared, EMBEDDINGS)
    return vectors.moved(lambda place: join(there, place.removeprefix(here)))


def _run(job: Job, spec: ModelSpec, folder: str) -> list[Part]:
    digest = job.workspace.hashes(CORPUS)[CORPUS]
    # Where a model lies and on what it runs decides nothing: its key says all.
    step = Step(STEP, EmbedShard(spec, folder), (), {"key": spec.passage_key})
    shards = shards_of(join(job.shared, CORPUS))
    return run_step(job, step, shards, digest=digest, title="Embedding passages", per="device")


def _are_there(parts: list[Part], folder: str) -> bool:
    names = {file.name for file in list_files(folder)}
    return all(part.summary["file"] in names for part in parts)


@dataclass
class EmbedShard:
    """Embeds one shard after the other in a worker, which loads the model at its first.

    Attributes:
        spec: The model.
        folder: Where the vectors of its passages are kept, as the worker reaches it.
    """

    spec: ModelSpec
    folder: str
    _cache: StreamedCache | None = field(default=None, repr=False)

    def __call__(self, shard: Shard, _: str) -> Mapping[str, Any]:
        """Return the name of the file that holds the shard's vectors, and how many they are."""
        passages = map(passage_of, shard.rows(COLUMNS))
        texts = [passage_input(passage.title, passage.text) for passage in passages]
        key = self.spec.passage_key
        name = part_name([text_digest(key, "passage", text) for text in texts])
        if not is_remote(self.folder) or not exists(join(self.folder, name)):
            with muted():
                path = self._kept().keep_together(texts)
            assert path.name == name
            if is_remote(self.folder):
                write_bytes(join(self.folder, name), path.read_bytes())
        return {"file": name, "n_rows": len(texts)}

    def _kept(self) -> StreamedCache:
        if self._cache is None:
            encoder = load_encoder(self.spec)
            kept_in = Path(self.folder).parent
            if is_remote(self.folder):
                kept_in = Path(tempfile.mkdtemp(prefix="homing-vectors-"))
            self._cache = StreamedCache(encoder, kept_in)
        return self._cache


def load_encoder(spec: ModelSpec) -> SentenceTransformerEncoder:
    """Return the encoder of a spec.

    Raises:
        ModelNotFoundError: It cannot be had here.
        ModelDiffersError: It is another one here.
    """
    place = _fetched_model(spec.place) if is_remote(spec.place) else spec.place
    model = load_sentence_transformer(place, max_tokens=spec.max_tokens, device=spec.device)
    encoder = SentenceTransformerEncoder(model, bf16=spec.bf16)
    if encoder.passage_key != spec.passage_key:
        raise ModelDiffersError(
            f"The model {spec.place} is another one on this worker's machine than where the job "
            "was started: its weights, its tokenizer or its libraries differ. Give every machine "
            "the same, and run the command again."
        )
    return encoder


@lru_cache(maxsize=4)
def _fetched_model(place: str) -> str:
    """Return a folder of this machine with the files of a place."""
    folder = Path(tempfile.mkdtemp(prefix="homing-model-")) / name_of(place)
    for file in list_files(place):
        fetched(join(place, file.name), (folder / file.name).parent)
    return str(folder)


def fetched(place: str, folder: Path) -> str:
    """Return the file of this machine, in a folder, with what is at a place; fetched once."""
    target = folder / name_of(place)
    if not target.exists():
        write_bytes(target, read_bytes(place))
    return str(target)
