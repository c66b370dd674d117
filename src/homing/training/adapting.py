"""What a map of question vectors is fitted to: questions and passages whose vectors are at hand.

With the mapped question u made one long, the passages' unit vectors P and the passage a that
answers, a question's loss is −log softmax(u Pᵀ / τ)[a]. The softmax runs over all passages that
training has questions about; those that answer as well, and near-duplicates, are left out of it.
Passages that nobody asked about take no part: as negatives alone they would be pushed away from the
very questions that will be asked about them (docs/experiments.md has the numbers).

Cost of one evaluation: two products (n, d) · (d, m) for n questions and m passages, in blocks of
`BLOCK_SCORES` scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from homing.training.examples import Example
from homing.types import Encoder, FloatArray, IntArray, content_id, passage_input

BoolArray = npt.NDArray[np.bool_]

MOST_QUESTIONS = 20_000
"""A map has few enough parameters that more would not change it."""
MOST_PASSAGES = 8_192
BLOCK_SCORES = 8_000_000
"""32 MB a table."""
CALIBRATION_SCORES = 500_000
TAU_RANGE = (0.001, 1.0)
MASKED = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Questions with the passage that answers each, as vectors.

    Attributes:
        questions: Unit vectors, float32 (n, d).
        passages: Unit vectors, float32 (m, d).
        own: Row of the passage that answers, (n,).
        masked: For each question the rows that answer as well, or look like what does.
        groups: Number of each passage's group of near-duplicates, (m,), from 0 in their order.
    """

    questions: FloatArray
    passages: FloatArray
    own: IntArray
    masked: tuple[IntArray, ...]
    groups: IntArray

    def about(self, is_chosen: BoolArray) -> Pairs:
        """Return the questions about some of the passages, and these passages alone.

        Args:
            is_chosen: For each passage whether it stays, (m,).
        """
        place = np.cumsum(is_chosen) - 1
        rows = np.flatnonzero(is_chosen[self.own])
        masked = (self.masked[row] for row in rows)
        return Pairs(
            self.questions[rows],
            self.passages[np.flatnonzero(is_chosen)],
            place[self.own[rows]],
            tuple(place[others[is_chosen[others]]] for others in masked),
            self.groups[np.flatnonzero(is_chosen)],
        )

    def scores(self, questions: FloatArray, rows: slice) -> FloatArray:
        """Return cosines of some questions with all passages, those masked at `MASKED`."""
        scores: FloatArray = questions @ self.passages.T
        for row, others in enumerate(self.masked[rows]):
            scores[row, others] = MASKED
        return scores

    def blocks(self) -> list[slice]:
        """Return slices of the questions whose scores fit in a block."""
        size = max(1, BLOCK_SCORES // len(self.passages))
        return [slice(start, start + size) for start in range(0, len(self.own), size)]


def make_pairs(examples: Sequence[Example], encoder: Encoder, seed: int) -> Pairs:
    """Return the pairs of the examples; questions and passages are embedded, each once.

    Of more than `MOST_PASSAGES` passages, or `MOST_QUESTIONS` questions, a part is drawn.
    """
    chosen = _drawn(examples, seed)
    texts = [passage_input(e.passage.title, e.passage.text) for e in chosen]
    asked = [(query, row) for row, e in enumerate(chosen) for query in e.queries]
    rows_of = {example.passage.id: row for row, example in enumerate(chosen)}
    by_group: dict[str, list[int]] = {}
    for row, example in enumerate(chosen):
        by_group.setdefault(example.group, []).append(row)
    numbers = {group: number for number, group in enumerate(by_group)}
    masked = []
    for query, row in asked:
        right = {rows_of[i] for i in chosen[row].right[query.id] if i in rows_of}
        others = (right | set(by_group[chosen[row].group])) - {row}
        masked.append(np.array(sorted(others), dtype=np.int64))
    return Pairs(
        encoder.encode_queries([query.text for query, _ in asked]),
        encoder.encode_passages(texts),
        np.array([row for _, row in asked], dtype=np.int64),
        tuple(masked),
        np.array([numbers[example.group] for example in chosen], dtype=np.int64),
    )


def _drawn(examples: Sequence[Example], seed: int) -> list[Example]:
    """Return all examples, or as many as there is room for, in their order."""
    order = sorted(
        range(len(examples)),
        key=lambda i: content_id("adapter", str(seed), examples[i].passage.id),
    )
    n_questions = np.cumsum([len(examples[i].queries) for i in order])
    n = min(MOST_PASSAGES, max(2, int((n_questions <= MOST_QUESTIONS).sum())))
    return [examples[i] for i in sorted(order[:n])]


class CorpusLoss:
    """The mean loss of mapped questions, with its gradient.

    Args:
        pairs: Questions and passages.
        tau: Temperature τ, > 0.
    """

    def __init__(self, pairs: Pairs, tau: float) -> None:
        self.pairs, self.tau = pairs, np.float32(tau)

    def __call__(self, mapped: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss and its gradient by the mapped vectors, (n, d), of any length."""
        pairs = self.pairs
        total, gradient = 0.0, np.empty_like(mapped)
        for rows in pairs.blocks():
            lengths = np.maximum(np.linalg.norm(mapped[rows], axis=1, keepdims=True), 1e-12)
            unit = mapped[rows] / lengths
            logits = pairs.scores(unit, rows) / self.tau
            at = np.arange(len(unit)), pairs.own[rows]
            logits -= logits.max(axis=1, keepdims=True)
            own = logits[at].astype(np.float64)
            np.exp(logits, out=logits)
            sums = logits.sum(axis=1, keepdims=True)
            total += float((np.log(sums[:, 0].astype(np.float64)) - own).sum())
            logits /= sums
            logits[at] -= 1
            by_unit = logits @ pairs.passages / self.tau
            along = np.einsum("ij,ij->i", by_unit, unit)[:, None]
            gradient[rows] = (by_unit - along * unit) / lengths
        n = len(pairs.own)
        gradient /= np.float32(n)
        return total / n, gradient


def calibrated_tau(pairs: Pairs) -> float:
    """Return the temperature at which the base model's own loss is least.

    Models differ in how far apart their cosines lie, and this goes with it. Golden-section search
    in log τ over `TAU_RANGE`, on evenly spaced questions where there are many.
    """
    step = max(1, len(pairs.own) * len(pairs.passages) // CALIBRATION_SCORES)
    rows = slice(None, None, step)
    scores = pairs.scores(pairs.questions[rows], rows)
    own = scores[np.arange(len(scores)), pairs.own[rows]]
    top = scores.max(axis=1, keepdims=True)

    def loss(log_tau: float) -> float:
        tau = np.float32(np.exp(log_tau))
        sums = np.exp((scores - top) / tau).sum(axis=1)
        return float((np.log(sums) + (top[:, 0] - own) / tau).mean())

    low, high = np.log(TAU_RANGE)
    share = (np.sqrt(5) - 1) / 2
    while high - low > 0.01:
        a, b = high - share * (high - low), low + share * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return round(float(np.exp((low + high) / 2)), 5)


def reciprocal_rank(pairs: Pairs, mapped: FloatArray) -> float:
    """Return the mean reciprocal rank of what answers, of mapped unit vectors, in (0, 1]."""
    total = 0.0
    for rows in pairs.blocks():
        scores = pairs.scores(mapped[rows], rows)
        own = scores[np.arange(len(scores)), pairs.own[rows]]
        total += float((1 / (1 + (scores > own[:, None]).sum(axis=1))).sum())
    return total / len(pairs.own)
