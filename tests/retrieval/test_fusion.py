"""Fusion: z-scores over the corpus or reciprocal ranks, averaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.retrieval import fusion
from homing.retrieval.fusion import FusedRetriever, reciprocal_ranks, z_scores
from homing.types import Retriever


class Fixed:
    """A retriever whose scores are written down, the same for every query."""

    def __init__(self, *scores: float) -> None:
        self.row = np.array(scores, dtype=np.float32)
        self.n_passages = len(scores)

    def scores(self, queries):
        return np.tile(self.row, (len(queries), 1))


def test_two_retrievers_of_different_scale_count_the_same():
    words, meaning = Fixed(0, 30, 20), Fixed(0.2, 0.1, 0.9)
    fused = FusedRetriever(words, meaning).scores(["anything"])[0]
    expected = (z_scores(words.scores([""])) + z_scores(meaning.scores([""])))[0] / 2
    assert fused == pytest.approx(expected, abs=1e-6)
    assert int(fused.argmax()) == 2
    assert isinstance(FusedRetriever(words, meaning), Retriever)


def test_a_weight_of_zero_or_one_leaves_one_side():
    a, b = Fixed(1, 2, 3), Fixed(3, 2, 1)
    assert FusedRetriever(a, b, weight=0.0).scores(["q"]).argmax() == 2
    assert FusedRetriever(a, b, weight=1.0).scores(["q"]).argmax() == 0


def test_a_side_that_cannot_tell_passages_apart_counts_as_zeros():
    flat, telling = Fixed(0.1, 0.1, 0.1), Fixed(1, 5, 3)
    fused = FusedRetriever(flat, telling).scores(["q"])[0]
    assert fused == pytest.approx(z_scores(telling.scores(["q"]))[0] / 2)
    assert not FusedRetriever(flat, flat).scores(["q"]).any()


@given(st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=30))
def test_z_scores_have_mean_zero_and_deviation_one_or_are_zero(values: list[float]):
    row = np.array([values], dtype=np.float32)
    z = z_scores(row)[0].astype(np.float64)
    if row.max() == row.min():
        assert not z.any()
    else:
        assert abs(z.mean()) < 1e-4
        assert abs(z.std() - 1) < 1e-3


def test_corpora_of_different_size_cannot_be_fused():
    with pytest.raises(ValueError, match="2 passages on one side, 3"):
        FusedRetriever(Fixed(1, 2), Fixed(1, 2, 3))
    with pytest.raises(ValueError, match="between 0 and 1"):
        FusedRetriever(Fixed(1), Fixed(1), weight=1.5)


def test_a_weight_or_a_method_that_is_none_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1, not at 2"):
        FusedRetriever(Fixed(1, 2), Fixed(1, 2), weight=2)
    with pytest.raises(ValueError, match="no method 'sum' of fusion but z, rrf"):
        FusedRetriever(Fixed(1, 2), Fixed(1, 2), method="sum")  # type: ignore[arg-type]


def test_reciprocal_ranks_know_nothing_of_scores_but_their_order():
    near = reciprocal_ranks(np.array([[3.0, 2.9, 2.8]], dtype=np.float32))
    far = reciprocal_ranks(np.array([[900.0, 1.0, -5.0]], dtype=np.float32))
    assert np.array_equal(near, far)
    assert near[0] == pytest.approx([1 / 61, 1 / 62, 1 / 63])


def test_equal_scores_share_a_rank_and_a_row_of_them_says_nothing():
    ranks = reciprocal_ranks(np.array([[0, 5, 0, 7], [2, 2, 2, 2]], dtype=np.float32))
    assert ranks[0] == pytest.approx([1 / 63, 1 / 62, 1 / 63, 1 / 61])
    assert not ranks[1].any()
    assert reciprocal_ranks(np.zeros((2, 0), dtype=np.float32)).shape == (2, 0)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.integers(1, 12))
def test_ranks_beyond_the_depth_bring_nothing(values: list[int], depth: int):
    row = np.array([values], dtype=np.float32)
    whole = reciprocal_ranks(row)[0]
    before, fusion.RRF_DEPTH = fusion.RRF_DEPTH, depth
    try:
        cut = reciprocal_ranks(row)[0]
    finally:
        fusion.RRF_DEPTH = before
    ranks = np.array([1 + sum(other > value for other in values) for value in values])
    assert np.array_equal(cut, np.where(ranks <= depth, whole, 0.0).astype(np.float32))


def test_ranks_are_fused_by_cormacks_formula():
    words, meaning = Fixed(0, 30, 20), Fixed(0.2, 0.1, 0.9)
    fused = FusedRetriever(words, meaning, 0.5, "rrf").scores(["anything"])[0]
    expected = [(1 / 63 + 1 / 62) / 2, (1 / 61 + 1 / 63) / 2, (1 / 62 + 1 / 61) / 2]
    assert fused == pytest.approx(expected)
