"""What scores a checkpoint on the dev split while training runs."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from homing.dataset import Dataset
from homing.pipeline.embedding import is_large
from homing.types import Encoder, Retriever, Values, content_id

if TYPE_CHECKING:
    from homing.training.job import RetrieverScore

DEV = "dev"
GENERAL = "python-docs"
DEV_MEASURE = "ndcg@10"
DEV_DEPTH = 100
MOST_PASSAGES = 20_000
"""What is drawn of a large corpus for the choice between checkpoints. All of 1,000,000 passages
would take two cores two hours for each score; the evaluation, which comes once, searches them."""
MOST_QUESTIONS = 2_000
"""Of a large corpus: the standard error of their nDCG@10 is about 0.01, of a difference less."""
RIVALS = 3
"""Passages that BM25 ranks first for a dev question; they are what a wrong answer looks like."""


def has_dev(dataset: Dataset, train_split: str) -> bool:
    """Return whether there is a dev split beside the one to learn from."""
    return train_split != DEV and DEV in dataset.splits and dataset.has_answers(DEV)


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

    def without_cache(self) -> DevScorer:
        """Return the same for a process that does not reach the folder of the vectors."""
        other = copy(self)
        other._cache_folder = None
        other.__dict__.pop("words", None)
        return other

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

    Of a corpus that is too large to be embedded for every checkpoint a part is drawn (`bounded`).
    """
    if not has_dev(dataset, train_split):
        return None
    dataset = bounded(dataset, DEV)
    return DevScorer(dataset if cache_folder else with_rivals_alone(dataset, DEV), cache_folder)


def retriever_scorer(dataset: Dataset, train_split: str) -> RetrieverScore | None:
    """Return what scores a retriever over the whole corpus on dev, None without such a split.

    A reranker is judged by what it puts before what: with the rivals alone it would have too
    little to mistake.
    """
    if not has_dev(dataset, train_split):
        return None
    dataset = bounded(dataset, DEV)
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


def bounded(
    dataset: Dataset,
    split: str,
    most_passages: int = MOST_PASSAGES,
    most_questions: int = MOST_QUESTIONS,
) -> Dataset:
    """Return a part of a large dataset on which a split can be scored often; a small one as it is.

    Questions and passages are drawn by their ids; what is judged for the questions is kept. Scores
    are higher than on the whole corpus, for base and checkpoints alike.
    """
    if not is_large(dataset.n_passages):
        return dataset
    asked = {qrel.query_id for qrel in dataset.qrels[split] if qrel.grade >= 1}
    chosen = _drawn(asked, most_questions)
    qrels = [qrel for qrel in dataset.qrels[split] if qrel.query_id in chosen]
    judged = {qrel.passage_id for qrel in qrels}
    others = (key for key in dataset.corpus if key not in judged)
    kept = judged | _drawn(others, most_passages - len(judged))
    corpus = {key: passage for key, passage in dataset.corpus.items() if key in kept}
    queries = {key: dataset.queries[key] for key in dict.fromkeys(q.query_id for q in qrels)}
    groups = {key: dataset.groups[key] for key in corpus if key in dataset.groups}
    return Dataset(corpus, queries, {split: qrels}, groups)


def _drawn(ids: Iterable[str], n: int) -> set[str]:
    """Return n of the ids, always the same of the same."""
    keyed = ((content_id("bounded", one), one) for one in ids)
    return {one for _, one in heapq.nsmallest(max(0, n), keyed)}


def _identified(encoder: Encoder) -> Encoder:
    """Return the encoder under a key that names its weights as they are now."""
    from homing.retrieval.encoders import SentenceTransformerEncoder

    if isinstance(encoder, SentenceTransformerEncoder):
        return SentenceTransformerEncoder(encoder.model)
    return encoder


def general_score(dataset: Dataset) -> Callable[[Encoder], float] | None:
    """Return what gives an encoder's nDCG@10 on general questions, None if they are the user's.

    The questions are a part of the bundled set about Python's own docstrings.
    """
    from homing.evaluation.forgetting import MEASURE, measure_general
    from homing.evaluation.general.sets import find_general_set, n_shared_passages
    from homing.pipeline.breakage import FEW_SHARED

    general = find_general_set(GENERAL)
    if n_shared_passages(general.dataset, dataset) > FEW_SHARED:
        return None
    return lambda encoder: measure_general(encoder, general).means()[MEASURE]
