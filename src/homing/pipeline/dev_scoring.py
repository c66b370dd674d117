"""What scores a checkpoint on the dev split while training runs."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from homing.dataset import Dataset
from homing.types import Encoder, Retriever, Values

if TYPE_CHECKING:
    from homing.training.job import RetrieverScore

DEV = "dev"
DEV_MEASURE = "ndcg@10"
DEV_DEPTH = 100
RIVALS = 3
"""Passages that BM25 ranks first for a dev question; they are what a wrong answer looks like."""


def has_dev(dataset: Dataset, train_split: str) -> bool:
    """Return whether there is a dev split beside the one to learn from."""
    return train_split != DEV and DEV in dataset.splits and bool(dataset.split(DEV))


class DevScorer:
    """Scores encoders on the dev questions; what `training.job.DevScore` asks for, and more.

    Args:
        dataset: With a dev split; its whole corpus is searched.
        cache_folder: Where vectors are kept; None keeps none.
    """

    def __init__(self, dataset: Dataset, cache_folder: Path | None) -> None:
        self._cache_folder = cache_folder
        self._qrels = dataset.qrels[DEV]
        self._groups = dataset.groups
        self._ids = tuple(dataset.split(DEV))
        self._queries = [dataset.queries[query_id].text for query_id in self._ids]
        self._texts, self._passage_ids = dataset.passage_texts(), dataset.passage_ids()
        relevant = dataset.split(DEV)
        self.clusters = [dataset.group_of(next(iter(relevant[i]))) for i in self._ids]
        """For each question the group of a passage that answers it."""

    def __call__(self, encoder: Encoder) -> float:
        """Return dev nDCG@10 of an encoder, in [0, 1]."""
        return float(self.by_question(self.dense(encoder)).mean())

    def dense(self, encoder: Encoder) -> Retriever:
        """Return the dev corpus searched by an encoder."""
        from homing.retrieval.cache import CachedEncoder
        from homing.retrieval.dense import DenseRetriever

        cached = CachedEncoder(_identified(encoder), self._cache_folder)
        return DenseRetriever(cached, self._texts)

    @property
    def n_passages(self) -> int:
        """Passages of the dev corpus."""
        return len(self._texts)

    @cached_property
    def words(self) -> Retriever:
        """The dev corpus searched by BM25."""
        from homing.retrieval.bm25 import BM25Retriever

        return BM25Retriever(self._texts)

    def fused(self, retriever: Retriever) -> Retriever:
        """Return a retriever fused with BM25 half and half, by z-scores."""
        from homing.retrieval.fusion import FusedRetriever

        return FusedRetriever(self.words, retriever)

    def by_question(self, retriever: Retriever) -> Values:
        """Return nDCG@10 for each dev question, float64 (n_questions,)."""
        from homing.evaluation.measures import measure_run
        from homing.retrieval.search import search

        run = search(retriever, self._ids, self._queries, self._passage_ids, DEV_DEPTH)
        measured = measure_run(run, self._qrels, groups=self._groups, names=(DEV_MEASURE,))
        return measured.values[DEV_MEASURE]


def dev_scorer(dataset: Dataset, train_split: str, cache_folder: Path | None) -> DevScorer | None:
    """Return what scores an encoder on the dev split, None where there is no such split.

    Args:
        cache_folder: Where vectors are kept under the encoder's identity, so that an evaluation
            that follows need not embed the corpus again with the base model and with the
            checkpoint that was kept. None searches the right passages and their rivals alone: a
            fraction of the cost where the vectors serve nothing else. The score is then a little
            higher, for base and checkpoints alike.
    """
    if not has_dev(dataset, train_split):
        return None
    return DevScorer(dataset if cache_folder else with_rivals_alone(dataset, DEV), cache_folder)


def retriever_scorer(dataset: Dataset, train_split: str) -> RetrieverScore | None:
    """Return what scores a retriever over the whole corpus on dev, None without such a split.

    A reranker is judged by what it puts before what: with the rivals alone it would have too
    little to mistake.
    """
    if not has_dev(dataset, train_split):
        return None
    scorer, texts = DevScorer(dataset, None), dataset.passage_texts()
    return lambda build: float(scorer.by_question(build(texts)).mean())


def with_rivals_alone(dataset: Dataset, split: str, n_rivals: int = RIVALS) -> Dataset:
    """Return the dataset with a corpus of the passages that a split is about and their rivals.

    These are the passages judged for the split's questions and, for each question, the `n_rivals`
    that BM25 ranks first.
    """
    from homing.retrieval.bm25 import BM25Retriever
    from homing.retrieval.search import search

    passage_ids = dataset.passage_ids()
    query_ids = list(dataset.split(split))
    queries = [dataset.queries[query_id].text for query_id in query_ids]
    run = search(BM25Retriever(dataset.passage_texts()), query_ids, queries, passage_ids, n_rivals)
    kept = {qrel.passage_id for qrel in dataset.qrels[split]}
    kept |= {passage_id for row in range(len(query_ids)) for passage_id in run.ranked_ids(row)}
    corpus = {key: passage for key, passage in dataset.corpus.items() if key in kept}
    return replace(dataset, corpus=corpus, qrels={split: dataset.qrels[split]})


def _identified(encoder: Encoder) -> Encoder:
    """Return the encoder under a key that names its weights as they are now."""
    from homing.retrieval.encoders import SentenceTransformerEncoder

    if isinstance(encoder, SentenceTransformerEncoder):
        return SentenceTransformerEncoder(encoder.model)
    return encoder
