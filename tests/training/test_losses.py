"""The loss against its definition, written out pair by pair."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from homing.training.losses import (  # noqa: E402
    IGNORED,
    NEGATIVE,
    OWN,
    embed_by_length,
    info_nce,
)


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
    loss = info_nce(torch.tensor(q), torch.tensor(p), torch.tensor(labels), 0.05)
    assert float(loss) == pytest.approx(by_hand(q, p, labels, 0.05), rel=1e-5)


def test_a_passage_that_is_also_right_is_not_pushed_away() -> None:
    q, p = torch.tensor(unit(1, 3)), torch.tensor(unit(2, 4), requires_grad=True)
    info_nce(q, p, torch.tensor([[OWN, IGNORED]]), 0.05).backward()
    assert p.grad is not None
    assert torch.all(p.grad[1] == 0)
    assert torch.isfinite(p.grad).all()


def test_the_other_questions_of_a_passage_are_not_its_negatives() -> None:
    q, p = torch.tensor(unit(2, 5)), torch.tensor(unit(1, 6))
    assert float(info_nce(q, p, torch.tensor([[OWN], [OWN]]), 0.05)) == pytest.approx(0)


def test_rows_embedded_in_parts_of_like_length_are_those_of_one_pass(tiny_model: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_model), device="cpu").eval()
    texts = ["one", "what is the meaning of revenue in the report", "a b c", "d e", "f g h i j k"]
    features = dict(model.preprocess(texts))
    padded = features["attention_mask"].numel()
    assert int(features["attention_mask"].sum()) < padded
    passed: list[int] = []
    model.register_forward_pre_hook(lambda _, rows: passed.append(rows[0]["input_ids"].numel()))
    parts = embed_by_length(lambda rows: model(rows)["sentence_embedding"], features, n_parts=2)
    assert len(passed) == 2
    assert sum(passed) < padded
    whole = model(dict(features))["sentence_embedding"]
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=1e-5)
