"""What scores a checkpoint on the dev split while training runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from homing.dataset import Dataset
from homing.types import Encoder

if TYPE_CHECKING:
    from homing.training.job import DevScore

DEV = "dev"
DEV_MEASURE = "ndcg@10"
DEV_DEPTH = 100
RIVALS = 3
"""Passages that BM25 ranks first for a dev question; they are what a wrong answer looks like."""


def has_dev(dataset: Dataset, train_split: str) -> bool:
    """Return whether there is a dev split beside the one to learn from."""
    return train_split != DEV and DEV in dataset.splits and bool(dataset.split(DEV))


def dev_scorer(dataset: Dataset, train_split: str, cache_folder: Path | None) -> DevScore | None:
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
    if cache_folder is None:
        dataset = with_rivals_alone(dataset, DEV)
    query_ids = list(dataset.split(DEV))
    queries = [dataset.queries[query_id].text for query_id in query_ids]
    texts, passage_ids = dataset.passage_texts(), dataset.passage_ids()

    def score(encoder: Encoder) -> float:
        from homing.evaluation.measures import measure_run
        from homing.retrieval.cache import CachedEncoder
        from homing.retrieval.dense import DenseRetriever
        from homing.retrieval.search import search

        retriever = DenseRetriever(CachedEncoder(_identified(encoder), cache_folder), texts)
        run = search(retriever, query_ids, queries, passage_ids, DEV_DEPTH)
        qrels = dataset.qrels[DEV]
        measured = measure_run(run, qrels, groups=dataset.groups, names=(DEV_MEASURE,))
        return measured.means()[DEV_MEASURE]

    return score


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
