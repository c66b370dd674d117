"""The loss against its definition, written out pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from homing.training.losses import IGNORED, NEGATIVE, OWN, symmetric_info_nce  # noqa: E402


def unit(rows: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(rows, 6))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def by_hand(q: np.ndarray, p: np.ndarray, labels: np.ndarray, tau: float) -> float:
    scores = q @ p.T / tau
    total = 0.0
    for i in range(len(q)):
        own = int(np.argmax(labels[i] == OWN))
        to_passage = [scores[i, j] for j in range(len(p)) if labels[i, j] != IGNORED]
        to_question = [scores[i, own]] + [
            scores[k, own] for k in range(len(q)) if labels[k, own] == NEGATIVE
        ]
        for row in (to_passage, to_question):
            total += math.log(sum(math.exp(x) for x in row)) - scores[i, own]
    return total / len(q) / 2


def test_the_loss_is_what_its_definition_says() -> None:
    labels = np.full((5, 3), NEGATIVE)
    for question, own in enumerate([0, 0, 1, 2, 2]):
        labels[question, own] = OWN
    labels[3, 1] = IGNORED
    q, p = unit(5, 1), unit(3, 2)
    loss = symmetric_info_nce(torch.tensor(q), torch.tensor(p), torch.tensor(labels), 0.05)
    assert float(loss) == pytest.approx(by_hand(q, p, labels, 0.05), rel=1e-5)


def test_a_passage_that_is_also_right_is_not_pushed_away() -> None:
    q, p = torch.tensor(unit(1, 3)), torch.tensor(unit(2, 4), requires_grad=True)
    symmetric_info_nce(q, p, torch.tensor([[OWN, IGNORED]]), 0.05).backward()
    assert p.grad is not None
    assert torch.all(p.grad[1] == 0)
    assert torch.isfinite(p.grad).all()


def test_the_other_questions_of_a_passage_are_not_its_negatives() -> None:
    q, p = torch.tensor(unit(2, 5)), torch.tensor(unit(1, 6))
    assert float(symmetric_info_nce(q, p, torch.tensor([[OWN], [OWN]]), 0.05)) == pytest.approx(0)
