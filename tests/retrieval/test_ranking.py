"""The best of each row, found tile by tile, are those of a stable sort of the whole."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from homing.retrieval import ranking
from homing.retrieval.ranking import RunningTop, merge_top, top_k

few_values = st.sampled_from([-2.0, -0.5, -0.0, 0.0, 0.25, 0.5, 3.0, float("inf"), float("-inf")])
score_tables = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 4), st.integers(0, 60)), elements=few_values
)


def stable_order(scores: np.ndarray, k: int) -> list[list[int]]:
    return [
        sorted(range(scores.shape[1]), key=lambda i: (-row[i], i))[:k] for row in scores.tolist()
    ]


@given(
    scores=score_tables,
    k=st.integers(1, 15),
    spare=st.integers(0, 3),
    tile=st.integers(1, 40),
)
def test_many_ties_keep_the_order_of_the_columns(scores, k: int, spare: int, tile: int):
    with patch.object(ranking, "SPARE", spare), patch.object(ranking, "TILE_SCORES", tile):
        positions, best = top_k(scores, k)
    for row, expected in enumerate(stable_order(scores, k)):
        found = [i for i in positions[row].tolist() if i >= 0]
        assert found == expected
        assert best[row, : len(found)].tolist() == scores[row, expected].tolist()
        assert np.all(best[row, len(found) :] == -np.inf)


@given(scores=score_tables, k=st.integers(1, 15), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_where_the_columns_are_cut_changes_nothing(scores, k: int, cuts: list[int]):
    with patch.object(ranking, "SPARE", 1):
        top = RunningTop(len(scores), k)
        for part in np.split(scores, sorted(min(cut, scores.shape[1]) for cut in cuts), axis=1):
            top.add(part)
        positions, best = top.result()
        whole, whole_best = top_k(scores, k)
    assert np.array_equal(positions, whole)
    assert np.array_equal(best, whole_best)


@pytest.mark.parametrize("order", ["rising", "falling", "equal"])
def test_scores_in_an_unlucky_order_rank_no_worse(order: str):
    scores = np.arange(5000, dtype=np.float32)[None, :].repeat(3, axis=0)
    scores = {"rising": scores, "falling": -scores, "equal": scores * 0}[order]
    positions, _ = top_k(scores, 7)
    assert np.array_equal(positions, np.argsort(-scores, axis=1, kind="stable")[:, :7])


@pytest.mark.parametrize("column", [0, 300, 4999])
def test_a_score_that_is_no_number_is_refused_wherever_it_stands(column: int):
    scores = np.zeros((2, 5000), dtype=np.float32)
    scores[1, column] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        top_k(scores, 3)


def test_what_comes_within_the_margin_waits_for_its_real_score():
    top = RunningTop(1, 2, margin=0.1)
    top.add(np.array([[0.50, 0.55, 0.52, 0.30]], dtype=np.float32))
    rows, positions = top.kept()
    assert rows.tolist() == [0, 0, 0]
    assert positions.tolist() == [1, 2, 0]
    top.settle_scores(np.array([0.51, 0.51, 0.56], dtype=np.float32))
    found, scores = top.result()
    assert found.tolist() == [[0, 1]]
    assert scores == pytest.approx(np.array([[0.56, 0.51]]))


@given(scores=score_tables, k=st.integers(1, 15), cut=st.integers(0, 60), turned=st.booleans())
def test_what_was_found_in_two_parts_is_merged_as_if_it_had_been_one(
    scores: np.ndarray, k: int, cut: int, turned: bool
) -> None:
    left, right = top_k(scores[:, :cut], k), top_k(scores[:, cut:], k)
    right[0][right[0] >= 0] += min(cut, scores.shape[1])
    merged = merge_top(right, left) if turned else merge_top(left, right)
    for ours, whole in zip(merged, top_k(scores, k), strict=True):
        np.testing.assert_array_equal(ours, whole)
