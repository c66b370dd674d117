"""Intervals and tests when questions about one document go together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation.significance import cluster_bootstrap, paired_difference

values_and_clusters = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from("abcdefg")), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(values_and_clusters)
def test_the_interval_lies_within_the_clusters_means_around_the_mean(pairs):
    values = np.array([v for v, _ in pairs])
    labels = [c for _, c in pairs]
    interval = cluster_bootstrap(values, labels, seed=1, n_resamples=400)
    means = [values[[c == label for c in labels]].mean() for label in set(labels)]
    assert interval.value == pytest.approx(values.mean())
    assert min(means) - 1e-9 <= interval.low <= interval.high <= max(means) + 1e-9


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(3).random(200)
    labels = list(range(200))
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


def test_one_cluster_gives_no_interval_to_speak_of():
    interval = cluster_bootstrap(np.array([0.0, 1.0]), ["only", "only"], seed=0)
    assert (interval.value, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_contenders_that_do_the_same_do_not_differ():
    same = np.array([0.0, 1.0, 0.5, 1.0])
    interval, p_value = paired_difference(same, same, list("abcd"), seed=0)
    assert (interval.value, interval.low, interval.high, p_value) == (0, 0, 0, 1.0)


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
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_difference(np.zeros(2), np.zeros(3), ["a", "b"], seed=0)
