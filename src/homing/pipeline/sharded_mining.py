"""Hard negatives of a corpus that is too large for one process, mined by the workers of an engine.

Every worker searches the whole corpus for its share of the questions: the index of words and the
files of vectors are mapped, so that what is in memory is what a block of questions asks of them.
What a question's candidates are does not depend on which worker finds them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from homing.pipeline.embedding import (
    embed_corpus,
    for_workers,
    is_large,
    near,
    shared_model,
    spec_of,
)
from homing.pipeline.job import EMBEDDINGS, Job
from homing.pipeline.sharded_search import made_parts
from homing.pipeline.sharding import PARTS, Part, Piece, name_for
from homing.progress import track
from homing.retrieval.array_files import open_array, read_arrays, save_array, save_arrays
from homing.retrieval.bm25 import BM25Retriever, guess_language, sample_step, tokenizer_for
from homing.retrieval.encoders import encoder_for
from homing.retrieval.postings import index_terms, open_postings
from homing.retrieval.stacked import StackedVectors
from homing.retrieval.streamed_cache import StreamedCache
from homing.storage import join, remove
from homing.training.job import TrainingJob
from homing.training.negatives import (
    Candidates,
    Mined,
    SeenCorpus,
    mine,
    questions_in_block,
    rank_candidates,
)
from homing.types import Encoder, FloatArray, IntArray

STEP = "mine"
BLOCKS_IN_PIECE = 8
"""Blocks of questions that a worker is given at a time."""
WORDS, ROWS = "words", "rows.npy"


@dataclass(frozen=True, slots=True)
class Asked:
    """Some questions, with their vectors and the positions of the answers of each."""

    texts: tuple[str, ...]
    vectors: FloatArray
    answers: tuple[tuple[int, ...], ...]


@dataclass
class RankQuestions:
    """Finds the candidates of questions in a worker, which opens the corpus at its first.

    Attributes:
        folder: The place of the index of words and of the rows of `vectors` that may be seen.
        language: By which words are found.
        vectors: Of the whole corpus.
        depth: How many candidates, at most.
    """

    folder: str
    language: str
    vectors: StackedVectors
    depth: int
    _opened: _Opened | None = field(default=None, repr=False)

    def __call__(self, asked: Asked, place: str) -> Mapping[str, Any]:
        """Write what was found into a folder."""
        if self._opened is None:
            words = BM25Retriever.over(open_postings(join(self.folder, WORDS)), self.language)
            vectors = near(self.vectors, Path(tempfile.mkdtemp(prefix="homing-vectors-")))
            self._opened = _Opened(words, open_array(join(self.folder, ROWS)), vectors)
        opened, depth = self._opened, self.depth
        found = [opened.ranked(block, depth) for block in _blocks(asked, len(opened.rows))]
        arrays = {
            name: np.concatenate([getattr(block, name) for block in found])
            for name in ("order", "cosines", "best")
        }
        save_arrays(join(place, "candidates.npz"), arrays)
        return {}


@dataclass(frozen=True, slots=True)
class _Opened:
    """The corpus as a worker searches it."""

    words: BM25Retriever
    rows: IntArray
    vectors: StackedVectors

    def ranked(self, asked: Asked, depth: int) -> Candidates:
        cosines = self.vectors.dot(asked.vectors)
        if len(self.rows) < len(self.vectors):
            cosines = cosines[:, self.rows]
        return rank_candidates(self.words.scores(asked.texts), cosines, asked.answers, depth)


class ShardedMining:
    """A `training.negatives.Search` by the workers of a job's engine.

    Args:
        job: Its shared folder holds what workers pass on, for as long as a search takes.
        vectors: Of the whole corpus, as `embed_corpus` gives them.
        encoder: The model that made them, which embeds the questions here.
        passage_ids: Of the whole corpus, in its order.
    """

    def __init__(
        self, job: Job, vectors: StackedVectors, encoder: Encoder, passage_ids: Sequence[str]
    ) -> None:
        self.job, self.vectors, self.passage_ids = job, vectors, passage_ids
        self.encoder = StreamedCache(encoder, job.path(EMBEDDINGS))

    def __call__(
        self,
        corpus: SeenCorpus,
        asked: Sequence[str],
        answers: Sequence[Sequence[int]],
        depth: int,
    ) -> Iterator[Candidates]:
        """Yield the candidates of all questions; see `training.negatives.Search`.

        Raises:
            EngineError: A worker failed; what others finished is kept for the next run.
        """
        vectors = for_workers(self.vectors, self.job)
        files = [file.place for file in vectors.files]
        name = f"{STEP}/{name_for(repr((files, corpus.ids, list(asked), depth)))}"
        folder = join(self.job.shared, PARTS, name)
        language = self._prepare(folder, corpus)
        function = RankQuestions(folder, language, vectors, depth)
        pieces = list(self._pieces(asked, answers, len(corpus.ids)))
        with track("Mining", len(asked)) as task:
            parts = made_parts(self.job, name, function, pieces, task=task)
        yield from map(_read, parts)
        remove(folder)

    def _prepare(self, folder: str, corpus: SeenCorpus) -> str:
        """Write what all workers read; return the language of the words."""
        language = guess_language(
            list(islice(corpus.texts(), 0, None, sample_step(len(corpus.ids))))
        )
        tokenize = tokenizer_for(language)
        index_terms(map(tokenize, corpus.texts())).save(join(folder, WORDS))
        rows = np.flatnonzero([passage_id in corpus.rows for passage_id in self.passage_ids])
        save_array(join(folder, ROWS), rows)
        return language

    def _pieces(
        self, asked: Sequence[str], answers: Sequence[Sequence[int]], n_passages: int
    ) -> Iterator[Piece[Asked]]:
        vectors = self.encoder.encode_queries(asked)
        n = questions_in_block(n_passages) * BLOCKS_IN_PIECE
        for start in range(0, len(asked), n):
            rows = slice(start, start + n)
            item = Asked(tuple(asked[rows]), vectors[rows], tuple(map(tuple, answers[rows])))
            yield Piece(f"{start:08d}", item, len(item.texts))


class CorpusMiner:
    """Mines for trainings on a workspace's corpus; what a `training.job.Miner` is."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, training: TrainingJob) -> Mined | None:
        """Return what the base model of a training mines, None of a corpus that is small."""
        passage_ids = list(training.dataset.corpus)
        if not is_large(len(passage_ids)):
            return None
        settings = training.settings
        encoder = encoder_for(
            training.base_model, max_tokens=settings.max_tokens, device=settings.device
        )
        model = spec_of(encoder, shared_model(training.base_model), settings)
        search = ShardedMining(self.job, embed_corpus(self.job, model), encoder, passage_ids)
        return mine(
            training.dataset,
            training.examples(),
            encoder,
            settings.negatives.n,
            split=training.split,
            ceiling=settings.negatives.ceiling,
            search=search,
        )


def _blocks(asked: Asked, n_passages: int) -> Iterator[Asked]:
    n = questions_in_block(n_passages)
    for start in range(0, len(asked.texts), n):
        rows = slice(start, start + n)
        yield Asked(asked.texts[rows], asked.vectors[rows], asked.answers[rows])


def _read(part: Part) -> Candidates:
    return Candidates(**read_arrays(join(part.folder, "candidates.npz")))
