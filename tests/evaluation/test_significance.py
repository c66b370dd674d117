"""Intervals and tests when questions about one document go together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation.significance import cluster_bootstrap, paired_difference
from homing.evaluation.spread import (
    degrees_of_freedom,
    mean_variance,
    sum_by_cluster,
    t_quantile,
)

values_and_clusters = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from("abcdefg")), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(values_and_clusters)
def test_the_interval_holds_the_mean_and_stays_within_what_is_possible(pairs):
    values = np.array([v for v, _ in pairs])
    labels = [c for _, c in pairs]
    interval = cluster_bootstrap(values, labels, seed=1, n_resamples=400)
    assert interval.value == pytest.approx(values.mean())
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low < interval.high
    difference, _ = paired_difference(
        values, values[::-1], labels, seed=1, n_resamples=400, n_flips=200
    )
    assert -1 <= difference.low < difference.value + 1e-12
    assert difference.value - 1e-12 < difference.high <= 1


def test_the_same_seed_gives_the_same_interval():
    # One document holds most misses: there the resamples say more than Student's t.
    values = np.ones(600)
    values[:20] = 0.0
    values[40:600:60] = 0.0
    labels = np.repeat(range(20), 30).tolist()
    assert cluster_bootstrap(values, labels, seed=5) == cluster_bootstrap(values, labels, seed=5)
    assert cluster_bootstrap(values, labels, seed=5) != cluster_bootstrap(values, labels, seed=6)


def test_independent_questions_give_the_textbook_interval():
    hits = np.r_[np.ones(600), np.zeros(190)]
    interval = cluster_bootstrap(hits, list(range(790)), seed=0)
    half_width = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 790)
    assert interval.high - interval.value == pytest.approx(half_width, rel=0.1)
    assert interval.value - interval.low == pytest.approx(half_width, rel=0.1)


def test_questions_that_go_together_widen_the_interval():
    document_hit = np.random.default_rng(0).random(40) < 0.7
    values = np.repeat(document_hit.astype(float), 20)
    by_document = cluster_bootstrap(values, np.repeat(range(40), 20).tolist(), seed=0)
    by_question = cluster_bootstrap(values, list(range(800)), seed=0)
    ratio = (by_document.high - by_document.low) / (by_question.high - by_question.low)
    assert ratio == pytest.approx(np.sqrt(20), rel=0.15)


def test_questions_about_one_passage_alone_tell_nothing_about_others():
    interval = cluster_bootstrap(np.array([0.0, 1.0]), ["only", "only"], seed=0)
    assert (interval.value, interval.low, interval.high) == (0.5, 0.0, 1.0)
    difference, p_value = paired_difference(np.ones(2), np.zeros(2), ["only", "only"], seed=0)
    assert (difference.value, difference.low, difference.high, p_value) == (1.0, -1.0, 1.0, 1.0)


def test_hits_alone_do_not_mean_that_the_next_question_must_be_one():
    few = cluster_bootstrap(np.ones(10), list(range(10)), seed=0)
    many = cluster_bootstrap(np.ones(1000), list(range(1000)), seed=0)
    assert (few.value, few.high) == (1.0, 1.0)
    assert 0.5 < few.low < 0.8
    assert 0.99 < many.low < 1.0


def test_contenders_that_do_the_same_differ_by_little_if_at_all():
    same = np.tile([0.0, 1.0, 0.5, 1.0], 100)
    interval, p_value = paired_difference(same, same, list(range(400)), seed=0)
    assert (interval.value, p_value) == (0.0, 1.0)
    assert -0.01 < interval.low == -interval.high < 0


def test_few_clusters_give_wider_intervals_than_many_of_the_same_spread():
    hits = np.tile([1.0, 1.0, 0.0, 1.0], 60)
    few = cluster_bootstrap(hits, np.repeat(range(6), 40).tolist(), seed=0)
    # In every cluster the same share: only that there are six of them makes it uncertain.
    assert few.high - few.low > 0.02


def test_a_few_large_documents_are_worth_less_than_as_many_equal_ones():
    equal = degrees_of_freedom(np.full(20, 10.0))
    assert equal == pytest.approx(19)
    assert 1 <= degrees_of_freedom(np.array([100.0, 2, 2, 2, 2, 2, 2])) < 2
    assert degrees_of_freedom(np.array([7.0, 1.0])) == pytest.approx(1)


@pytest.mark.parametrize("df", [1, 1.3, 2, 7, 30, 400, 5_000])
def test_students_t_is_that_of_scipy(df: float):
    special = pytest.importorskip("scipy.special")
    for share in (0.8, 0.975):
        assert t_quantile(share, df) == pytest.approx(special.stdtrit(df, share), rel=1e-4)


def test_the_robust_variance_is_the_textbooks_where_clusters_are_equal():
    values = np.random.default_rng(0).random((60, 1))
    sums, sizes = sum_by_cluster(values, np.repeat(range(12), 5).tolist())
    means = sums[:, 0] / 5
    assert mean_variance(sums, sizes)[0] == pytest.approx(means.var(ddof=1) / 12)


def test_few_clusters_are_tested_exactly():
    better = np.array([1.0, 1.0, 1.0, 1.0, 1.0])
    _, p_value = paired_difference(better, np.zeros(5), list("abcde"), seed=0)
    assert p_value == 2 / 2**5
    _, together = paired_difference(better, np.zeros(5), list("aabbc"), seed=0)
    assert together == 2 / 2**3


def test_many_clusters_give_what_the_exact_test_would():
    rng = np.random.default_rng(11)
    a, b = rng.random(13), rng.random(13)
    labels = list(range(13))
    _, exact = paired_difference(a, b, labels, seed=0, n_flips=2**13)
    _, drawn = paired_difference(a, b, labels, seed=0, n_flips=8_000)
    assert drawn == pytest.approx(exact, abs=0.02)


def test_a_clear_gain_is_significant_and_the_other_way_round_the_same():
    rng = np.random.default_rng(2)
    base = (rng.random(500) < 0.7).astype(float)
    tuned = np.maximum(base, rng.random(500) < 0.3)
    labels = [i // 2 for i in range(500)]
    gain, p_gain = paired_difference(tuned, base, labels, seed=0)
    loss, p_loss = paired_difference(base, tuned, labels, seed=0)
    assert gain.low > 0.05
    assert p_gain < 0.001
    assert p_loss == p_gain
    assert (loss.low, loss.high) == (pytest.approx(-gain.high), pytest.approx(-gain.low))


def test_by_chance_alone_small_p_values_are_as_rare_as_they_should_be():
    rng = np.random.default_rng(4)
    draws = rng.random((200, 2, 30))
    labels = [i // 2 for i in range(30)]
    ps = [paired_difference(a, b, labels, seed=1, n_resamples=10, n_flips=500)[1] for a, b in draws]
    assert 0.01 <= np.mean(np.array(ps) <= 0.05) <= 0.1


def test_what_cannot_be_resampled_is_refused():
    with pytest.raises(ValueError, match="no values"):
        cluster_bootstrap(np.array([]), [], seed=0)
    with pytest.raises(ValueError, match="not a number"):
        cluster_bootstrap(np.array([np.nan]), ["a"], seed=0)
    with pytest.raises(ValueError, match="2 values for 1"):
        cluster_bootstrap(np.array([1.0, 2.0]), ["a"], seed=0)
    with pytest.raises(ValueError, match="outside of 0 to 1"):
        cluster_bootstrap(np.array([0.5, 2.0]), ["a", "b"], seed=0)
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_difference(np.zeros(2), np.zeros(3), ["a", "b"], seed=0)
