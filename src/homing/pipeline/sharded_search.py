"""Exact search of vectors that lie in files, by the workers of an engine.

Blocks of questions meet ranges of passages: a worker loads a range, finds the best of it for every
question of the block, and keeps them; this process merges what all ranges gave, ties to the earlier
passage. Because a worker's scores are those of exact arithmetic (`retrieval/nearest.py`), ids and
scores are those of one search over all passages. Memory: a worker holds `RANGE_BYTES` of vectors
and the tiles of a search, this process the best of one block twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import numpy as np

from homing.engine.base import EngineError, Failure, Per
from homing.pipeline.embedding import ModelSpec, embed_corpus, for_workers
from homing.pipeline.job import Job
from homing.pipeline.sharding import PARTS, Part, PartFunction, Piece, make_parts, name_for
from homing.progress import Task, say
from homing.retrieval.array_files import open_array, read_arrays, save_array, save_arrays
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.nearest import nearest
from homing.retrieval.ranking import merge_top
from homing.retrieval.stacked import StackedVectors, Vectors
from homing.retrieval.streamed_cache import StreamedCache
from homing.retrieval.truncating import TruncatedEncoder
from homing.storage import join, remove
from homing.types import Encoder, FloatArray, IntArray, passage_key

STEP = "search"
RANGE_BYTES = 256 * 2**20
"""Vectors that a worker holds at a time."""
MAX_RANGE_FRACTION = 0.1
"""A range is at most this much of the corpus, so that a lost worker costs no more than that."""
FEW_QUERIES = 64
"""So few are searched here: a trip to the workers would take longer."""
TRIES = 3
"""Times that a part is begun whose worker dies."""
Item = TypeVar("Item")
Found = tuple[IntArray, FloatArray]


@dataclass(frozen=True, slots=True)
class RangeSearch:
    """A block of questions, and the range of passages to search.

    Attributes:
        queries: The place of their vectors.
        vectors: Of the range.
        first: Position in the corpus of its first passage.
        k: How many to find for each question.
    """

    queries: str
    vectors: StackedVectors
    first: int
    k: int


def search_range(item: RangeSearch, place: str) -> Mapping[str, Any]:
    """Write the best of a range, by their positions in the corpus, into a folder."""
    queries, vectors = np.asarray(open_array(item.queries)), item.vectors[:]
    positions, scores = nearest(queries, vectors, item.k)
    positions[positions >= 0] += item.first
    save_arrays(join(place, "found.npz"), {"positions": positions, "scores": scores})
    return {}


class ShardedSearch:
    """Finds what `nearest` finds, with the workers of a job's engine.

    Args:
        job: Its shared folder holds what workers pass on, for as long as a search takes.
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, queries: FloatArray, vectors: Vectors, k: int) -> Found:
        """Return positions and products of the `k` nearest for each query; see `nearest`.

        Raises:
            EngineError: A worker failed; what others finished is kept for the next run.
        """
        if len(queries) <= FEW_QUERIES or not isinstance(vectors, StackedVectors):
            return nearest(queries, vectors, k)
        name = _name_of(queries, vectors, k)
        folder = join(self.job.shared, PARTS, STEP, name)
        asked = join(folder, "queries.npy")
        save_array(asked, queries)
        ranges = for_workers(vectors, self.job).ranges(_rows_in_range(vectors))
        pieces = [
            Piece(f"{number:05d}", RangeSearch(asked, part, first, k))
            for number, (first, part) in enumerate(ranges)
        ]
        parts = made_parts(self.job, f"{STEP}/{name}", search_range, pieces, per="device")
        found = reduce(merge_top, map(_read, parts))
        remove(folder)
        return found


class SearchedCorpus:
    """Makes the retrievers of a workspace's corpus whose vectors are too many for memory.

    Args:
        models: Key of an encoder's passages -> how workers load its model.
    """

    def __init__(self, job: Job, models: Mapping[str, ModelSpec]) -> None:
        self.job, self.models = job, models

    def __call__(self, encoder: Encoder) -> DenseRetriever | None:
        """Return the corpus searched by an encoder, None for one that workers cannot load.

        Args:
            encoder: With kept vectors, or cut to a length over such.
        """
        whole = encoder.encoder if isinstance(encoder, TruncatedEncoder) else encoder
        spec = self.models.get(passage_key(whole))
        if spec is None or not isinstance(whole, CachedEncoder) or whole.folder is None:
            return None
        vectors = embed_corpus(self.job, spec)
        streamed: Encoder = StreamedCache(whole.encoder, whole.folder)
        if isinstance(encoder, TruncatedEncoder):
            vectors = vectors.cut(encoder.dimensions)
            streamed = TruncatedEncoder(streamed, encoder.dimensions)
        return DenseRetriever(streamed, (), vectors, ShardedSearch(self.job))


def made_parts(
    job: Job,
    name: str,
    function: PartFunction[Item],
    pieces: Sequence[Piece[Item]],
    *,
    task: Task | None = None,
    per: Per = "core",
) -> list[Part]:
    """Return the part of every piece, in order; one whose worker dies is begun again.

    Raises:
        EngineError: The function raised, or workers died `TRIES` times of the same piece.
    """
    for _ in range(TRIES):
        made = make_parts(job, name, function, pieces, task=task, per=per)
        lost = [part for part in made if isinstance(part, Failure)]
        if not lost:
            return [part for part in made if isinstance(part, Part)]
        task = None  # what there is to count has been counted
        say(f"{name}: {len(lost):,} of {len(made):,} parts lost their worker and are made again")
    raise EngineError(
        f"{name}: workers die of the same part again and again: {lost[0].detail}. What others "
        "finished is kept: run the same command again, which continues."
    )


def _rows_in_range(vectors: StackedVectors) -> int:
    by_memory = RANGE_BYTES // (4 * max(1, vectors.dimensions))
    return max(1, min(by_memory, int(MAX_RANGE_FRACTION * len(vectors))))


def _name_of(queries: FloatArray, vectors: StackedVectors, k: int) -> str:
    """Return what stands for a search: the same one goes on with what is there."""
    asked = hashlib.sha256(np.ascontiguousarray(queries).data).hexdigest()
    files = [file.place for file in vectors.files]
    return name_for("\0".join([asked, str(vectors.dimensions), str(k), *files]))


def _read(part: Part) -> Found:
    found = read_arrays(join(part.folder, "found.npz"))
    return found["positions"], found["scores"]
