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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np

from homing.dataset import Dataset
from homing.dataset.texts import texts_of
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.fusion import weighted_mean, z_scores
from homing.retrieval.search import queries_in_block, top_k
from homing.training.examples import Example
from homing.types import Encoder, FloatArray, IntArray

CEILING = 0.95
DEPTH = 100
"""Candidates of a question that are looked at, at most."""
TABLES = 4
"""Tables of scores that are in memory at a time: of words, of vectors, both comparable."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a search found for some questions, row by row.

    Attributes:
        order: Positions of the passages, best first, int64 (n, depth).
        cosines: What the encoder says of them, float32 (n, depth).
        best: Its cosine for the answer that it likes best, float32 (n,).
    """

    order: IntArray
    cosines: FloatArray
    best: FloatArray


Search = Callable[["SeenCorpus", Sequence[str], Sequence[Sequence[int]], int], Iterator[Candidates]]
"""Yields the candidates of questions, block by block, in their order.

It is given the corpus, the texts of the questions, the positions of the answers of each, and how
many candidates are wanted at most.
"""


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
    search: Search | None = None,
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
        search: Finds the candidates elsewhere; the encoder is then not asked.
    """
    right = {query_id: ids for example in examples for query_id, ids in example.right.items()}
    queries = list({query.id: query for e in examples for query in e.queries}.values())
    corpus = SeenCorpus(dataset, split)
    cached = encoder if isinstance(encoder, CachedEncoder) else CachedEncoder(encoder, cache_folder)
    asked = [query.text for query in queries]
    answers = [[corpus.rows[passage_id] for passage_id in right[query.id]] for query in queries]
    found = (search or partial(_search, cached))(corpus, asked, answers, depth)
    negatives: dict[str, tuple[str, ...]] = {}
    suspected: dict[str, frozenset[str]] = {}
    n_looked_at = 0
    for query, own, row in zip(queries, answers, _rows(found), strict=True):
        taken, passed = corpus.choose(own, *row, n=n, ceiling=ceiling)
        negatives[query.id], suspected[query.id] = tuple(taken), frozenset(passed)
        n_looked_at += len(taken) + len(passed)
    return Mined(negatives, suspected, n_looked_at)


class SeenCorpus:
    """The passages that may become negatives, or that answer.

    Attributes:
        ids: In corpus order.
        rows: Passage id -> its position among them.
    """

    def __init__(self, dataset: Dataset, split: str) -> None:
        hidden = held_out_groups(dataset, split)
        every = [(passage_id, dataset.group_of(passage_id)) for passage_id in dataset.corpus]
        self.ids = [passage_id for passage_id, group in every if group not in hidden]
        self.groups = [group for _, group in every if group not in hidden]
        self.rows = {passage_id: row for row, passage_id in enumerate(self.ids)}
        self._all_texts = texts_of(dataset)
        self._is_seen = [group not in hidden for _, group in every]

    def texts(self) -> Iterator[str]:
        """Yield what an encoder is given for each."""
        return compress(self._all_texts, self._is_seen)

    def choose(
        self,
        answers: Sequence[int],
        order: IntArray,
        cosines: FloatArray,
        best: float,
        *,
        n: int,
        ceiling: float,
    ) -> tuple[list[str], list[str]]:
        """Return the negatives of a question and the candidates that were passed over.

        Args:
            answers: Positions of the passages that answer it.
            order: Positions of the candidates, best first.
            cosines: What the encoder says of each candidate.
            best: And of the answer that it likes best.
        """
        limit = ceiling * best if best > 0 else best
        seen = {self.groups[row] for row in answers}
        taken: list[str] = []
        passed: list[str] = []
        for row, cosine in zip(order, cosines, strict=True):
            if len(taken) == n:
                break
            if row < 0 or self.groups[row] in seen:
                continue
            seen.add(self.groups[row])
            (passed if cosine > limit else taken).append(self.ids[row])
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


def questions_in_block(n_passages: int) -> int:
    """Return how many questions are searched for at a time."""
    return max(1, queries_in_block(n_passages) // TABLES)


def rank_candidates(
    by_words: FloatArray, cosines: FloatArray, answers: Sequence[Sequence[int]], depth: int
) -> Candidates:
    """Return the candidates of a block of questions.

    Args:
        by_words: BM25 scores, float32 (n_questions, n_passages).
        cosines: The encoder's, the same shape.
        answers: For each question the positions of its answers, at least one.
        depth: How many candidates, at most.
    """
    fused = weighted_mean(z_scores(by_words), z_scores(cosines), 0.5)
    order, _ = top_k(fused, min(depth, cosines.shape[1]))
    best = [cosines[row, own].max() for row, own in enumerate(answers)]
    return Candidates(order, np.take_along_axis(cosines, order, axis=1), np.array(best, np.float32))


def _search(
    encoder: Encoder,
    corpus: SeenCorpus,
    asked: Sequence[str],
    answers: Sequence[Sequence[int]],
    depth: int,
) -> Iterator[Candidates]:
    """Yield the candidates of questions as this process finds them."""
    texts = list(corpus.texts())
    words, dense = BM25Retriever(texts), DenseRetriever(encoder, texts)
    n_block = questions_in_block(len(texts))
    for start in range(0, len(asked), n_block):
        block = slice(start, start + n_block)
        cosines = np.asarray(dense.scores(asked[block]))
        yield rank_candidates(words.scores(asked[block]), cosines, answers[block], depth)


def _rows(found: Iterator[Candidates]) -> Iterator[tuple[IntArray, FloatArray, float]]:
    for block in found:
        for order, cosines, best in zip(block.order, block.cosines, block.best, strict=True):
            yield order, cosines, float(best)
