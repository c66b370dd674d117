"""Tuning token vectors until their means do what a teacher does.

For a text with tokens t1 … tn the student is the mean of their rows of E, made a unit vector. Three
things are asked of it at a time (each batch holds some questions, their answers, the teacher's best
passages for them, and others drawn at random):

* to lie where the teacher puts the same text, 1 - cosine, as in Tokenlearn;
* to rank the passages of the batch as the teacher ranks them: cross-entropy of the teacher's
  softmax and the student's;
* to put the passage that a question was asked about first, where there is such a label.

Rows of tokens that no text holds stay as they were.

Cost: a batch looks up every distinct token of its texts once; no network is run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from homing.progress import track
from homing.training.questions import Asked
from homing.training.settings import StaticSettings
from homing.training.teaching import Teaching, softmax
from homing.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

NAMED = 8
"""Of the teacher's best passages for a question, those that are always in its batch."""
MIN_LOSS_STEPS = 200
"""The loss is noted about so often."""

Counted = Sequence[tuple[IntArray, IntArray]]
"""For each text its distinct tokens and how often each stands in it."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the student is tuned on.

    Attributes:
        questions: With the labels that there are.
        question_tokens: Distinct tokens of each and their counts.
        question_vectors: The teacher's, float32 (n_questions, d).
        passage_tokens: The same of the passages.
        passage_vectors: The teacher's, float32 (n_passages, d).
        rows: Passage id -> position.
        teaching: The teacher's best passages for each question.
    """

    questions: Sequence[Asked]
    question_tokens: Counted
    question_vectors: FloatArray
    passage_tokens: Counted
    passage_vectors: FloatArray
    rows: dict[str, int]
    teaching: Teaching


def first_vectors(vectors: FloatArray, passage_tokens: Counted, smoothing: float) -> FloatArray:
    """Return the rows to start from: centred, and the lighter the more frequent the token is.

    The weight of a token of probability p is smoothing / (smoothing + p), as in SIF (Arora et al.,
    ICLR 2017), with p as the corpus has it; all zeros stay so.
    """
    counts = np.zeros(len(vectors))
    for tokens, times in passage_tokens:
        counts[tokens] += times
    mean = (counts @ vectors) / max(1.0, counts.sum())
    weights = smoothing / (smoothing + (counts + 0.5) / max(1.0, counts.sum()))
    known = vectors.any(axis=1)
    first: FloatArray = (weights[:, None] * (vectors - mean)).astype(np.float32)
    first[~known] = 0.0
    return first


def fit(
    start: FloatArray,
    material: Material,
    settings: StaticSettings,
    *,
    epochs: int,
    rate: float,
    temperature: float,
    seed: int,
) -> tuple[FloatArray, list[tuple[int, float]]]:
    """Return the tuned rows, float32 as `start`, and (step, loss) pairs.

    Args:
        start: float32 (n_tokens, d).
        epochs: Passes over the questions.
        rate: Peak learning rate of Adam; it rises over a tenth of the steps, then falls to zero.
        temperature: τ of the student's softmax.
        seed: Decides the batches.
    """
    import torch

    generator = np.random.default_rng(seed)
    used = _used(material)
    student = torch.from_numpy(start[used]).clone().requires_grad_()
    batches = _Batches(material, used, settings, generator)
    n_steps = epochs * batches.n_batches
    optimizer = torch.optim.Adam([student], lr=rate)
    loss_log: list[tuple[int, float]] = []
    with track("Training", n_steps) as task:
        for step in range(1, n_steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = rate * _schedule(step, n_steps)
            loss = _loss(student, batches.draw(), settings, temperature)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % max(1, n_steps // MIN_LOSS_STEPS) == 0:
                loss_log.append((step, float(loss.detach())))
                task.note(f"loss {loss_log[-1][1]:.3f}")
            task.advance()
    tuned = start.copy()
    tuned[used] = student.detach().numpy()
    return tuned, loss_log


def _used(material: Material) -> IntArray:
    """Return the tokens that some text holds, ascending."""
    every = [tokens for tokens, _ in (*material.question_tokens, *material.passage_tokens)]
    return np.unique(np.concatenate(every))


def _schedule(step: int, n_steps: int) -> float:
    rise = max(1.0, 0.1 * n_steps)
    return min(step / rise, (n_steps - step + 1) / max(1.0, n_steps - rise), 1.0)


@dataclass(frozen=True, slots=True)
class _Batch:
    questions: tuple[Tensor, Tensor, Tensor]
    passages: tuple[Tensor, Tensor, Tensor]
    question_vectors: Tensor
    passage_vectors: Tensor
    targets: Tensor
    masked: Tensor


class _Batches:
    """Draws batches: each question once an epoch, with the passages that it is about."""

    def __init__(
        self,
        material: Material,
        used: IntArray,
        settings: StaticSettings,
        generator: np.random.Generator,
    ) -> None:
        self.material, self.settings, self.generator = material, settings, generator
        places = _places(used)
        self.question_tokens = [(places(t), c) for t, c in material.question_tokens]
        self.passage_tokens = [(places(t), c) for t, c in material.passage_tokens]
        self.n_batches = -(-len(material.questions) // settings.batch_questions)
        self._waiting: list[list[int]] = []

    def draw(self) -> _Batch:
        """Return the next batch."""
        import torch

        if not self._waiting:
            order = self.generator.permutation(len(self.material.questions))
            self._waiting = [part.tolist() for part in np.array_split(order, self.n_batches)]
        numbers = self._waiting.pop()
        chosen = self._passages(numbers)
        targets, masked = self._targets(numbers, chosen)
        return _Batch(
            _bags([self.question_tokens[i] for i in numbers]),
            _bags([self.passage_tokens[i] for i in chosen]),
            torch.from_numpy(self.material.question_vectors[numbers]),
            torch.from_numpy(self.material.passage_vectors[chosen]),
            torch.from_numpy(targets),
            torch.from_numpy(masked),
        )

    def _passages(self, numbers: Sequence[int]) -> list[int]:
        """Return the answers of these questions, the teacher's first, and others at random."""
        material, most = self.material, self.settings.batch_passages
        named = material.teaching.positions[list(numbers), :NAMED].ravel().tolist()
        answers = [material.rows[p] for i in numbers for p in material.questions[i].answers]
        chosen = dict.fromkeys([*answers, *named])
        n_passages = len(material.passage_tokens)
        rest = self.generator.permutation(n_passages)[: most + len(chosen)].tolist()
        return list(dict.fromkeys([*chosen, *rest]))[: max(most, len(chosen))]

    def _targets(
        self, numbers: Sequence[int], chosen: Sequence[int]
    ) -> tuple[FloatArray, np.ndarray[Any, np.dtype[np.bool_]]]:
        """Return the target over the batch's passages, and which of them are neither."""
        material, settings = self.material, self.settings
        scores = material.teaching.among(numbers, chosen)
        place = {position: column for column, position in enumerate(chosen)}
        masked = np.zeros(scores.shape, dtype=bool)
        for row, number in enumerate(numbers):
            question = material.questions[number]
            others = (material.rows.get(p) for p in question.right if p not in question.answers)
            masked[row, [place[p] for p in others if p in place]] = True
        scores[masked] = -np.inf
        shares = softmax(scores, settings.teacher_temperature)
        for row, number in enumerate(numbers):
            answers = [place[material.rows[p]] for p in material.questions[number].answers]
            if answers:
                shares[row] *= settings.teacher_weight
                shares[row, answers] += (1 - settings.teacher_weight) / len(answers)
        return shares, masked


def _loss(student: Tensor, batch: _Batch, settings: StaticSettings, temperature: float) -> Tensor:
    import torch

    questions, passages = embed(student, batch.questions), embed(student, batch.passages)
    scores = (questions @ passages.T / temperature).masked_fill(batch.masked, -torch.inf)
    logs = torch.log_softmax(scores, dim=1).masked_fill(batch.masked, 0.0)
    ranking = -(batch.targets * logs).sum(dim=1).mean()
    places = _distance(questions, batch.question_vectors) + _distance(
        passages, batch.passage_vectors
    )
    return ranking + settings.place_weight * places


def _distance(ours: Tensor, theirs: Tensor) -> Tensor:
    return 1 - (ours * theirs).sum(dim=1).mean()


def embed(rows: Tensor, bags: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return the unit vectors of bags of tokens, (n, d)."""
    import torch.nn.functional as F

    tokens, starts, weights = bags
    means = F.embedding_bag(tokens, rows, starts, mode="sum", per_sample_weights=weights)
    return F.normalize(means, dim=1)


def _bags(texts: Counted) -> tuple[Tensor, Tensor, Tensor]:
    """Return tokens of all texts, where each text starts, and each token's share of its text."""
    import torch

    starts = np.cumsum([0, *(len(tokens) for tokens, _ in texts)])[:-1]
    shares = [counts / max(1, counts.sum()) for _, counts in texts]
    return (
        torch.from_numpy(np.concatenate([tokens for tokens, _ in texts])),
        torch.from_numpy(starts),
        torch.from_numpy(np.concatenate(shares).astype(np.float32)),
    )


def _places(used: IntArray) -> Callable[[IntArray], IntArray]:
    return lambda tokens: np.searchsorted(used, tokens)
