"""Less of a dataset, drawn by ids and a seed: for tries that have to be short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from homing.dataset import Dataset
from homing.pipeline.dev_scoring import DEV
from homing.types import content_id

MAX_DEV_QUESTIONS = 200
"""More would cost each rung more than they tell."""


def few_questions(dataset: Dataset, seed: int, most: int = MAX_DEV_QUESTIONS) -> Dataset:
    """Return the dataset with at most so many dev questions, drawn by their ids and the seed."""
    ids = sorted(dataset.split(DEV), key=lambda query_id: content_id("dev", str(seed), query_id))
    kept = set(ids[:most])
    qrels = [qrel for qrel in dataset.qrels[DEV] if qrel.query_id in kept]
    return replace(dataset, qrels={**dataset.qrels, DEV: qrels})


def fewer_passages(dataset: Dataset, split: str, fraction: float, seed: int) -> Dataset:
    """Return the dataset with the questions about a share of the passages of a split."""
    if fraction >= 1:
        return dataset
    ids = sorted({qrel.passage_id for qrel in dataset.qrels[split]})
    drawn = sorted(ids, key=lambda passage_id: content_id("rung", str(seed), passage_id))
    kept = set(drawn[: max(2, round(fraction * len(drawn)))])
    qrels = [qrel for qrel in dataset.qrels[split] if qrel.passage_id in kept]
    return replace(dataset, qrels={**dataset.qrels, split: qrels})


def some_questions(questions: Sequence[str], share: float, seed: int) -> list[str]:
    """Return a share of the questions, drawn by their text and the seed, in their order."""
    drawn = sorted(questions, key=lambda text: content_id("some", str(seed), text))
    kept = set(drawn[: round(share * len(questions))])
    return [text for text in questions if text in kept]
