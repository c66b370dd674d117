"""How far a space moved: nothing for the same vectors, everything told for others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from homing.evaluation import drift
from homing.evaluation.drift import measure_drift, probe_correlation, probe_sentences, spearman
from homing.types import FloatArray


def unit(table: object) -> FloatArray:
    rows = np.asarray(table, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def random_vectors(n: int, seed: int = 0) -> FloatArray:
    return unit(np.random.default_rng(seed).normal(size=(n, 16)))


class ByTable:
    """An encoder whose vectors were written down."""

    key, dimensions = "table", 16

    def __init__(self, vectors: FloatArray) -> None:
        self.vectors = vectors

    def encode_queries(self, texts):
        return self.vectors[: len(texts)]

    encode_passages = encode_queries


def test_the_same_vectors_have_not_moved_and_the_index_can_stay():
    vectors = random_vectors(40)
    found = measure_drift(vectors, vectors.copy(), probe=1.0)
    assert found.mean_cosine == pytest.approx(1)
    assert found.p05_cosine == pytest.approx(1)
    assert found.neighbours_kept == 1.0
    assert found.must_rebuild is False
    assert found.probe == 1.0


def test_a_turned_space_keeps_its_neighbours_but_needs_a_new_index():
    vectors = random_vectors(40)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(16, 16)))
    found = measure_drift(vectors, unit(vectors @ turn))
    assert found.neighbours_kept == pytest.approx(1)
    assert found.mean_cosine < 0.5
    assert found.must_rebuild


def test_one_vector_that_moved_is_enough_for_a_new_index():
    base = random_vectors(600)
    tuned = base.copy()
    tuned[599] = -tuned[599]
    found = measure_drift(base, tuned)
    assert found.must_rebuild
    assert found.mean_cosine == pytest.approx(1 - 2 / 600)
    assert found.p05_cosine == pytest.approx(1)


def test_neighbours_are_counted_by_hand():
    # Four passages on a quarter of a circle; then the third goes to the other end.
    at = np.array([0.0, 0.1, 0.3, 1.2])
    moved = np.array([0.0, 0.1, 1.3, 1.2])
    base, tuned = (unit(np.stack([np.cos(a), np.sin(a)], axis=1)) for a in (at, moved))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift, "N_NEIGHBOURS", 1)
        found = measure_drift(base, tuned)
    # Nearest before: 1, 0, 1, 2; after: 1, 0, 3, 2.
    assert found.neighbours_kept == 0.75


def test_many_passages_are_sampled_and_always_the_same(monkeypatch):
    monkeypatch.setattr(drift, "MAX_SAMPLE", 50)
    base, tuned = random_vectors(300), random_vectors(300, seed=1)
    first = measure_drift(base, tuned)
    assert first == measure_drift(base, tuned)
    assert 0.0 < first.neighbours_kept < 0.6  # 10 of 49 by chance


def test_a_single_passage_has_no_neighbours_to_lose():
    assert measure_drift(random_vectors(1), random_vectors(1, seed=1)).neighbours_kept == 1.0


@pytest.mark.parametrize(
    "shapes", [((3, 16), (3, 8)), ((3, 16), (4, 16)), ((0, 16), (0, 16))], ids=str
)
def test_vectors_that_cannot_be_compared_are_an_error(shapes):
    first, second = (np.ones(shape, dtype=np.float32) for shape in shapes)
    with pytest.raises(ValueError, match="cannot be compared"):
        measure_drift(first, second)


def test_ranks_correlate_as_scipy_says_ties_included():
    rng = np.random.default_rng(3)
    a = rng.integers(0, 9, size=200).astype(np.float32)
    b = (a + rng.integers(0, 9, size=200)).astype(np.float32)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert spearman(a, -a) == pytest.approx(-1)
    assert spearman(a, np.zeros_like(a)) == 0.0


def test_the_probe_is_forty_topics_of_three_different_sentences():
    topics = probe_sentences()
    assert len(topics) == 40
    sentences = [sentence for topic in topics for sentence in topic]
    assert len({s.lower() for s in sentences}) == 120
    assert all(4 <= len(s.split()) <= 16 and s[-1] in ".?" for s in sentences)
    money = {"bank", "money", "price", "tax", "share", "stock", "invest", "loan"}
    assert not any(word in money for s in sentences for word in s.lower().rstrip(".?").split())


def test_the_same_model_sees_the_sentences_as_before_and_another_does_not():
    same = ByTable(random_vectors(120))
    assert probe_correlation(same, same) == pytest.approx(1)
    other = ByTable(random_vectors(120, seed=1))
    assert abs(probe_correlation(same, other)) < 0.1
