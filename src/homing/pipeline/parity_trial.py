"""What an export is tried on: the dataset's own test questions, or general ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from homing.dataset import Dataset, pick_split
from homing.deployment.parity import Parity, RankingLoss, evenly, measure_closeness
from homing.deployment.speed import N_QUESTIONS, measure_speed
from homing.evaluation.general.sets import PYTHON_DOCS, find_general_set
from homing.evaluation.measures import measure_run
from homing.evaluation.questions import cluster_questions
from homing.evaluation.significance import paired_difference
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.search import search
from homing.types import Encoder, Values
from homing.workspace.manifest import machine_facts

MEASURE, DEPTH = "ndcg@10", 10
MAX_QUESTIONS, MAX_PASSAGES = 2_000, 5_000
"""So many are asked and searched at most: whoever exports waits for it."""
MAX_COMPARED = 500
"""Passages whose cosines are told."""
CALIBRATION_TEXTS = 96
"""Of each side."""
GENERAL = "general questions about Python that come with Homing, none of yours"


@dataclass(frozen=True)
class Trial:
    """Questions with their answers, and what else is needed to set two encoders against each other.

    Attributes:
        words: Whose questions they are, for people.
    """

    dataset: Dataset
    split: str
    words: str
    seed: int = 0

    def questions(self) -> dict[str, str]:
        """Return query id -> text of what is asked."""
        return {key: self.dataset.queries[key].text for key in self.dataset.split(self.split)}

    def calibration(self) -> tuple[list[str], list[str]]:
        """Return questions and passages to find ranges on, none of the questions asked."""
        asked = set(self.questions().values())
        others = [q.text for q in self.dataset.queries.values() if q.text not in asked]
        texts = self.dataset.passage_texts()
        return evenly(others, CALIBRATION_TEXTS), evenly(texts, CALIBRATION_TEXTS)

    def measure(self, original: Encoder, exported: Encoder) -> Parity:
        """Return how near an export is to its original, what it loses in ranking, and its speed."""
        asked = self.questions()
        texts = self.dataset.passage_texts()
        questions, passages = measure_closeness(
            original, exported, list(asked.values()), evenly(texts, MAX_COMPARED)
        )
        before, after = (self._scores(encoder, asked, texts) for encoder in (original, exported))
        _, clusters = cluster_questions(self.dataset, self.dataset.split(self.split))
        difference, _ = paired_difference(after, before, clusters, seed=self.seed)
        ranking = RankingLoss(
            len(asked), len(texts), float(before.mean()), float(after.mean()), difference
        )
        speed = measure_speed(
            original.encoder if isinstance(original, CachedEncoder) else original,
            exported,
            evenly(list(asked.values()), N_QUESTIONS),
            machine_facts()["processor"],
        )
        return Parity(self.words, questions, passages, ranking, speed)

    def _scores(self, encoder: Encoder, asked: dict[str, str], texts: Sequence[str]) -> Values:
        """Return nDCG@10 of every question."""
        run = search(
            DenseRetriever(encoder, texts),
            list(asked),
            list(asked.values()),
            self.dataset.passage_ids(),
            DEPTH,
        )
        measured = measure_run(
            run,
            self.dataset.qrels[self.split],
            groups=self.dataset.groups,
            names=(MEASURE,),
        )
        assert measured.query_ids == run.query_ids
        return np.asarray(measured.values[MEASURE])


def trial_on(dataset: Dataset | None, *, split: str | None = None, seed: int = 0) -> Trial:
    """Return what an export is tried on.

    Args:
        dataset: None takes the general questions that come with Homing.
        split: None takes "test", or the only split there is.

    Raises:
        UsageError: The dataset holds no such split.
    """
    if dataset is None:
        general = find_general_set(PYTHON_DOCS)
        return Trial(general.dataset, general.split, GENERAL, seed)
    split = pick_split(dataset, "test", asked=split)
    cut = _cut(dataset, split)
    whose = f"the dataset's {split} questions"
    if cut.n_passages < dataset.n_passages:
        whose += f", {cut.n_passages:,} of its {dataset.n_passages:,} passages"
    return Trial(cut, split, whose, seed)


def _cut(dataset: Dataset, split: str) -> Dataset:
    """Return a large dataset with fewer questions, their answers among evenly taken passages."""
    asked = list(dataset.split(split))
    kept = set(evenly(asked, MAX_QUESTIONS))
    judged = [q for q in dataset.qrels[split] if q.query_id in kept]
    if len(kept) == len(asked) and dataset.n_passages <= MAX_PASSAGES:
        return dataset
    right = {q.passage_id for q in judged}
    rest = [passage_id for passage_id in dataset.corpus if passage_id not in right]
    chosen = right | set(evenly(rest, max(0, MAX_PASSAGES - len(right))))
    return replace(
        dataset,
        corpus={key: passage for key, passage in dataset.corpus.items() if key in chosen},
        qrels={split: judged},
        groups={key: group for key, group in dataset.groups.items() if key in chosen},
    )
