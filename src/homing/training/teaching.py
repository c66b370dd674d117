"""What a teacher says of every passage, for questions with and without a label.

The teacher is BM25 fused with an encoder, z-scores averaged: it needs no training, and finds more
than either. What it ranks first, softened, is what a student learns to rank first (listwise
distillation, as in arXiv 2010.02666 and 2505.19274). Only its best passages are kept: z-scores of
a larger corpus are spread wider, and what lies below the first hundred says nothing.

Cost: one vector for each passage and question, O(questions x passages) scores in blocks of at most
`search.BLOCK_BYTES`; 12 bytes are kept for each question and each of its `depth` passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.fusion import FusedRetriever
from homing.retrieval.search import queries_in_block, top_k
from homing.types import Encoder, FloatArray, IntArray

DEPTH = 100
DENSE_WEIGHT = 0.5
TABLES = 4
"""Tables of scores that are in memory at a time: of words, of vectors, both comparable."""


@dataclass(frozen=True, slots=True)
class Teaching:
    """The teacher's best passages for each question.

    Attributes:
        positions: Of passages in the corpus, best first, int64 (n_questions, depth).
        scores: Their scores, averages of z-scores, float32 (n_questions, depth).
    """

    positions: IntArray
    scores: FloatArray

    def shares(self, temperature: float) -> FloatArray:
        """Return softmax(scores / temperature), float32 (n_questions, depth); rows add up to 1."""
        return softmax(self.scores, temperature)

    def among(self, rows: Sequence[int], passages: Sequence[int]) -> FloatArray:
        """Return the scores of given passages for given questions, float32 (n_rows, n_passages).

        A passage that is not among a question's best gets the lowest score that was kept for it:
        its own is no higher.
        """
        found = np.repeat(self.scores[rows, -1:], len(passages), axis=1)
        for i, row in enumerate(rows):
            known = dict(zip(self.positions[row].tolist(), self.scores[row], strict=True))
            found[i] = [known.get(passage, found[i, j]) for j, passage in enumerate(passages)]
        return found


def teach(
    questions: Sequence[str],
    texts: Sequence[str],
    encoder: Encoder,
    *,
    depth: int = DEPTH,
    dense_weight: float = DENSE_WEIGHT,
) -> Teaching:
    """Return the teacher's best passages for each question.

    Args:
        questions: Any; no label is asked for.
        texts: What `passage_input` gives for each passage of the corpus.
        encoder: The teacher's half beside BM25; give a `CachedEncoder` to keep its vectors.
        depth: Passages kept for each question, at most those there are.
        dense_weight: Share of the encoder in the teacher's scores, in [0, 1].
    """
    depth = min(depth, len(texts))
    positions = np.zeros((len(questions), depth), dtype=np.int64)
    scores = np.zeros((len(questions), depth), dtype=np.float32)
    start = 0
    for block in teacher_scores(questions, texts, encoder, dense_weight=dense_weight):
        rows = slice(start, start + len(block))
        positions[rows], scores[rows] = top_k(block, depth)
        start += len(block)
    return Teaching(positions, scores)


def teacher_scores(
    questions: Sequence[str],
    texts: Sequence[str],
    encoder: Encoder,
    *,
    dense_weight: float = DENSE_WEIGHT,
) -> Iterator[FloatArray]:
    """Yield the teacher's scores of all passages, float32 (block of questions, n_passages).

    Averages of z-scores; the blocks follow each other in the order of the questions.
    """
    teacher = FusedRetriever(BM25Retriever(texts), DenseRetriever(encoder, texts), dense_weight)
    n_block = max(1, queries_in_block(len(texts)) // TABLES)
    for start in range(0, len(questions), n_block):
        yield teacher.scores(list(questions[start : start + n_block]))


def softmax(scores: FloatArray, temperature: float) -> FloatArray:
    """Return the softmax of each row over a temperature > 0, float32."""
    exponents = (scores - scores.max(axis=1, keepdims=True)) / np.float32(temperature)
    shares: FloatArray = np.exp(exponents, dtype=np.float32)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares
