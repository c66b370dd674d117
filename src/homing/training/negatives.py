"""Hard negatives: what the first search puts near the top although nobody said that it answers.

Candidates come from BM25 fused with an encoder (z-scores, half and half), over every passage that
training may see. Near the top there are answers that nobody labelled. As in NV-Retriever's
TopK-PercPos (arXiv 2407.15831) a candidate is passed over if the encoder's cosine for it is above
a share (`ceiling`) of its cosine for the right passage; z-scores rank the candidates, but no share
is ever taken of them, since they have no zero.

Cost: one vector for each passage and question, and O(questions x passages) scores in blocks of at
most `BLOCK_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from homing.dataset import Dataset
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.fusion import weighted_mean, z_scores
from homing.retrieval.search import queries_in_block, top_k
from homing.training.examples import Example
from homing.types import Encoder, FloatArray, IntArray, Query

CEILING = 0.95
DEPTH = 100
"""Candidates of a question that are looked at, at most."""
TABLES = 4
"""Tables of scores that are in memory at a time: of words, of vectors, both comparable."""


@dataclass(frozen=True, slots=True)
class Mined:
    """Hard negatives of questions.

    Attributes:
        negatives: Question id -> ids of its negatives, hardest first; may be empty.
        suspected: Question id -> ids of the candidates that were passed over as probable answers.
        n_looked_at: Candidates that were looked at, over all questions.
    """

    negatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    suspected: Mapping[str, frozenset[str]] = field(default_factory=dict)
    n_looked_at: int = 0

    @property
    def false_negative_fraction(self) -> float:
        """Estimated share of probable answers among the candidates looked at, in [0, 1]."""
        return sum(map(len, self.suspected.values())) / max(1, self.n_looked_at)


def mine(
    dataset: Dataset,
    examples: Sequence[Example],
    encoder: Encoder,
    n: int,
    *,
    split: str = "train",
    ceiling: float = CEILING,
    depth: int = DEPTH,
    cache_folder: Path | None = None,
) -> Mined:
    """Return up to `n` hard negatives for every question of the examples.

    Never a negative: what answers the question or duplicates an answer, a second passage of one
    duplicate group, and what answers the questions of other splits alone (training is not to see
    it). Where several passages answer, the ceiling goes by the one that the encoder likes best. A
    right passage whose cosine is not positive is its own ceiling: a share of it would lie above.

    Args:
        dataset: The corpus, and the answers of all splits.
        examples: Whose questions are asked.
        encoder: Scores the candidates; wrapped in a cache unless it is one.
        n: Most negatives of a question.
        split: The one that is trained on.
        ceiling: Share of the right passage's cosine above which a candidate is passed over.
        depth: Most candidates of a question that are looked at.
        cache_folder: Where vectors are kept between runs; None keeps them in memory alone.
    """
    right = {query_id: ids for example in examples for query_id, ids in example.right.items()}
    queries = list({query.id: query for e in examples for query in e.queries}.values())
    corpus = _Corpus(dataset, split)
    cached = encoder if isinstance(encoder, CachedEncoder) else CachedEncoder(encoder, cache_folder)
    negatives: dict[str, tuple[str, ...]] = {}
    suspected: dict[str, frozenset[str]] = {}
    n_looked_at = 0
    for query, order, cosines in _ranked(corpus.texts, cached, queries, depth):
        taken, passed = corpus.choose(right[query.id], order, cosines, n=n, ceiling=ceiling)
        negatives[query.id], suspected[query.id] = tuple(taken), frozenset(passed)
        n_looked_at += len(taken) + len(passed)
    return Mined(negatives, suspected, n_looked_at)


class _Corpus:
    """The passages that may become negatives, or that answer."""

    def __init__(self, dataset: Dataset, split: str) -> None:
        seen = seen_passages(dataset, split)
        self.ids, self.texts = list(seen), list(seen.values())
        self.groups = [dataset.group_of(i) for i in self.ids]
        self.rows = {passage_id: row for row, passage_id in enumerate(self.ids)}

    def choose(
        self,
        right: frozenset[str],
        order: IntArray,
        cosines: FloatArray,
        *,
        n: int,
        ceiling: float,
    ) -> tuple[list[str], list[str]]:
        """Return the negatives of a question and the candidates that were passed over."""
        answers = [self.rows[passage_id] for passage_id in right]
        best = max(float(cosines[row]) for row in answers)
        limit = ceiling * best if best > 0 else best
        seen = {self.groups[row] for row in answers}
        taken: list[str] = []
        passed: list[str] = []
        for row in order:
            if len(taken) == n:
                break
            if row < 0 or self.groups[row] in seen:
                continue
            seen.add(self.groups[row])
            (passed if cosines[row] > limit else taken).append(self.ids[row])
        return taken, passed


def held_out_groups(dataset: Dataset, split: str) -> frozenset[str]:
    """Return the duplicate groups that answer questions of other splits, but none of this one."""
    own = {dataset.group_of(i) for grades in dataset.split(split).values() for i in grades}
    others = {
        dataset.group_of(passage_id)
        for other in dataset.splits
        if other != split
        for grades in dataset.split(other).values()
        for passage_id in grades
    }
    return frozenset(others - own)


def seen_passages(dataset: Dataset, split: str) -> dict[str, str]:
    """Return id -> text of the passages that training on a split may see, in corpus order."""
    hidden = held_out_groups(dataset, split)
    texts = zip(dataset.passage_ids(), dataset.passage_texts(), strict=True)
    return {i: text for i, text in texts if dataset.group_of(i) not in hidden}


def _ranked(
    texts: Sequence[str], encoder: Encoder, queries: Sequence[Query], depth: int
) -> Iterator[tuple[Query, IntArray, FloatArray]]:
    """Yield each question with its candidates, best first, and the cosine of every passage."""
    words, dense = BM25Retriever(texts), DenseRetriever(encoder, texts)
    n_block = max(1, queries_in_block(len(texts)) // TABLES)
    for start in range(0, len(queries), n_block):
        block = queries[start : start + n_block]
        asked = [query.text for query in block]
        cosines = dense.scores(asked)
        fused = weighted_mean(z_scores(words.scores(asked)), z_scores(cosines), 0.5)
        order, _ = top_k(fused, min(depth, len(texts)))
        yield from zip(block, order, np.asarray(cosines), strict=True)
