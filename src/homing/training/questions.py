"""What the query tower learns from: questions, each with what it is to find in the whole corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from homing.training.corpus_softmax import Targets
from homing.training.examples import Example, is_given
from homing.training.teaching import Teaching
from homing.types import FloatArray, IntArray

NOTHING = -1


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as training sees it.

    Attributes:
        answers: Ids of the passages that it was asked about; empty without a label.
        right: Ids of all passages that answer it, and of their duplicates.
        is_given: Whether somebody asked it; False for what the offline writer made.
    """

    text: str
    answers: tuple[str, ...] = ()
    right: frozenset[str] = frozenset()
    is_given: bool = False


def asked_questions(examples: Sequence[Example], unlabelled: Sequence[str]) -> list[Asked]:
    """Return each question of the examples once, then those without a label that are not theirs."""
    answers: dict[str, list[str]] = {}
    right: dict[str, frozenset[str]] = {}
    queries = {}
    for example in examples:
        for query in example.queries:
            queries[query.id] = query
            answers.setdefault(query.id, []).append(example.passage.id)
            right[query.id] = example.right[query.id]
    labelled = [
        Asked(query.text, tuple(answers[key]), right[key], is_given(query))
        for key, query in queries.items()
    ]
    known = {asked.text for asked in labelled}
    return labelled + [Asked(text) for text in dict.fromkeys(unlabelled) if text not in known]


def make_targets(
    questions: Sequence[Asked],
    rows: Mapping[str, int],
    teaching: Teaching | None,
    *,
    teacher_weight: float,
    temperature: float,
) -> Targets:
    """Return what each question is to find: its answers, what the teacher says, or a mix.

    Args:
        questions: All questions of the job.
        rows: Passage id -> position in the corpus.
        teaching: The teacher's best passages for the same questions; None without a teacher.
        teacher_weight: Its share in the target of questions with a label, in [0, 1]. Of those
            without one it is all.
        temperature: Of the teacher's softmax.
    """
    shares = _teacher_shares(questions, rows, teaching, temperature)
    own = [[rows[i] for i in question.answers] for question in questions]
    rest = [
        [rows[i] for i in sorted(question.right) if i in rows and i not in question.answers]
        for question in questions
    ]
    weight = teacher_weight if teaching is not None else 0.0
    label_shares = np.zeros((len(questions), max(map(len, own), default=0)), dtype=np.float32)
    for i, answers in enumerate(own):
        if answers:
            label_shares[i, : len(answers)] = (1 - weight) / len(answers)
            shares[i] *= weight
    positions = _filled(own, 0)
    if teaching is not None:
        positions = np.hstack([positions, teaching.positions])
    target = np.hstack([label_shares, shares])
    # Where the teacher names masked passages alone, the label is all that is left.
    target /= target.sum(axis=1, keepdims=True)
    return Targets(positions, target, _filled(rest, NOTHING))


def _teacher_shares(
    questions: Sequence[Asked],
    rows: Mapping[str, int],
    teaching: Teaching | None,
    temperature: float,
) -> FloatArray:
    """Return the teacher's shares, those of masked passages taken out, (n_questions, depth)."""
    if teaching is None:
        return np.zeros((len(questions), 0), dtype=np.float32)
    shares = teaching.shares(temperature)
    for i, question in enumerate(questions):
        masked = {rows[p] for p in question.right if p in rows and p not in question.answers}
        if masked:
            shares[i, np.isin(teaching.positions[i], list(masked))] = 0.0
    total = shares.sum(axis=1, keepdims=True)
    scaled: FloatArray = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0)
    return scaled


def _filled(lists: Sequence[Sequence[int]], value: int) -> IntArray:
    """Return lists of unequal length as one table, (n, longest), filled up with a value."""
    table = np.array(list(zip_longest(*lists, fillvalue=value)), dtype=np.int64)
    return np.ascontiguousarray(table.T.reshape(len(lists), -1))


class QuestionCollator:
    """Builds a batch of questions and their numbers; the loss knows what each is to find.

    Args:
        texts: All questions of the job.
        model: The query tower as a SentenceTransformer: tokeniser, prompt and limit are its own.
    """

    def __init__(self, texts: Sequence[str], model: Any) -> None:
        self.texts = texts
        self.model = model
        self.epoch = 0
        self.valid_label_columns = ["label"]
        self.prompt = model.prompts.get("query") or None

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return `question_*` features and `label`, the questions' numbers, (n_q,)."""
        import torch

        numbers = [row["position"] for row in rows]
        tokenised = self.model.preprocess([self.texts[i] for i in numbers], prompt=self.prompt)
        features: dict[str, Any] = {f"question_{key}": value for key, value in tokenised.items()}
        return {**features, "label": torch.tensor(numbers), "return_loss": True}
