"""The teacher ranks as BM25 fused with the encoder does, and nothing but its best is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.encoders import encoder_for
from homing.retrieval.fusion import FusedRetriever
from homing.training import teaching
from homing.training.teaching import Teaching, softmax, teach, teacher_scores

pytest.importorskip("sentence_transformers")

TEXTS = list(HANDBOOK.values())
QUESTIONS = ["who pays for a lost laptop?", "yellow badge", "weather on the moon", "leave"]


def test_its_best_are_those_of_the_fusion(tiny_model: Path) -> None:
    encoder = encoder_for(str(tiny_model))
    fused = FusedRetriever(BM25Retriever(TEXTS), DenseRetriever(encoder, TEXTS)).scores(QUESTIONS)
    taught = teach(QUESTIONS, TEXTS, encoder, depth=5)
    for row, scores in enumerate(fused):
        best = np.argsort(-scores, kind="stable")[:5]
        assert taught.positions[row].tolist() == best.tolist()
        np.testing.assert_allclose(taught.scores[row], scores[best], atol=1e-5)


def test_a_weight_of_one_is_the_encoder_alone(tiny_model: Path) -> None:
    encoder = encoder_for(str(tiny_model))
    cosines = DenseRetriever(encoder, TEXTS).scores(QUESTIONS)
    taught = teach(QUESTIONS, TEXTS, encoder, depth=1, dense_weight=1.0)
    assert taught.positions[:, 0].tolist() == cosines.argmax(axis=1).tolist()


def test_blocks_give_what_one_block_gives(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = encoder_for(str(tiny_model))
    whole = list(teacher_scores(QUESTIONS, TEXTS, encoder))
    monkeypatch.setattr(teaching, "queries_in_block", lambda n: 4)
    parts = list(teacher_scores(QUESTIONS, TEXTS, encoder))
    assert len(whole) == 1
    assert len(parts) == len(QUESTIONS)
    np.testing.assert_allclose(np.vstack(parts), whole[0], atol=1e-5)


def test_a_small_corpus_is_kept_whole(tiny_model: Path) -> None:
    taught = teach(QUESTIONS, TEXTS, encoder_for(str(tiny_model)), depth=100)
    assert taught.positions.shape == (len(QUESTIONS), len(TEXTS))
    assert sorted(taught.positions[0].tolist()) == list(range(len(TEXTS)))


def test_shares_add_up_and_harden_as_it_gets_colder() -> None:
    taught = Teaching(np.array([[3, 1, 2]]), np.array([[2.0, 1.0, 0.0]], dtype=np.float32))
    warm, cold = taught.shares(1.0)[0], taught.shares(0.1)[0]
    assert warm.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(warm, np.exp([2, 1, 0]) / np.exp([2, 1, 0]).sum(), rtol=1e-5)
    assert cold[0] > 0.999 > warm[0]
    assert np.isfinite(softmax(np.array([[500.0, -500.0]], dtype=np.float32), 0.01)).all()


def test_a_passage_that_was_not_kept_gets_no_more_than_the_last_that_was() -> None:
    taught = Teaching(
        np.array([[3, 1], [0, 2]]), np.array([[2.0, 1.5], [4.0, -1.0]], dtype=np.float32)
    )
    found = taught.among([1, 0], [2, 3, 7])
    np.testing.assert_array_equal(found, np.array([[-1.0, -1.0, -1.0], [1.5, 2.0, 1.5]]))
