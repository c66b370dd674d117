"""Every contender against the baseline, and how much so many questions could show."""

from __future__ import annotations

import numpy as np
import pytest

from homing.evaluation.certainty import (
    compare,
    detectable_differences,
    headroom_gained,
    holm,
    questions_needed,
)

LABELS = np.repeat(range(100), 4).tolist()


def hits(rate: float, seed: int) -> dict[str, np.ndarray]:
    """Independent hits of 400 questions, the same in every measure."""
    values = (np.random.default_rng(seed).random(400) < rate).astype(float)
    return dict.fromkeys(("hit@5", "mrr@10", "ndcg@10"), values)


def test_holm_gives_the_values_of_the_paper():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == pytest.approx([0.02])


def test_everyone_is_compared_with_the_baseline_contender_by_contender():
    by_query = {"tuned": hits(0.9, 1), "base": hits(0.6, 2), "words": hits(0.6, 3)}
    found = compare(by_query, "base", LABELS, seed=0)
    assert [(c.name, c.baseline, c.measure) for c in found] == [
        (name, "base", measure)
        for name in ("tuned", "words")
        for measure in ("hit@5", "mrr@10", "ndcg@10")
    ]
    tuned, words = found[0], found[3]
    assert tuned.difference.value == pytest.approx(
        by_query["tuned"]["hit@5"].mean() - by_query["base"]["hit@5"].mean()
    )
    assert tuned.p_adjusted == pytest.approx(2 * tuned.p_value)
    assert words.p_adjusted == words.p_value > 0.05
    room = 1 - by_query["base"]["hit@5"].mean()
    assert tuned.headroom_gained == pytest.approx(tuned.difference.value / room)


def test_each_rival_more_makes_the_same_gain_less_certain():
    base, tuned = hits(0.6, 1), hits(0.67, 5)
    alone = compare({"base": base, "tuned": tuned}, "base", LABELS, seed=0)[0]
    crowd = {f"rival {i}": hits(0.6, 10 + i) for i in range(5)}
    among = compare({"base": base, "tuned": tuned, **crowd}, "base", LABELS, seed=0)[0]
    assert alone.p_adjusted == alone.p_value
    assert among.difference == alone.difference
    assert among.p_adjusted is not None
    assert among.p_adjusted > alone.p_value


def test_a_baseline_alone_is_compared_with_nobody():
    assert compare({"base": hits(0.5, 0)}, "base", LABELS, seed=0) == ()


def test_what_can_be_detected_is_what_the_textbook_says():
    rng = np.random.default_rng(0)
    differences = rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=(2000, 1))
    (found,) = detectable_differences(differences, list(range(2000)))
    assert found == pytest.approx((1.96 + 0.84) * np.sqrt(0.2 / 2000), rel=0.08)


def test_half_as_much_takes_four_times_as_many_questions():
    rng = np.random.default_rng(1)
    few, many = (rng.choice([-1.0, 0.0, 1.0], size=(n, 1)) for n in (500, 2000))
    (from_few,) = detectable_differences(few, list(range(500)))
    (from_many,) = detectable_differences(many, list(range(2000)))
    assert from_few is not None
    assert from_many is not None
    assert from_few / from_many == pytest.approx(2, rel=0.1)
    assert questions_needed(500, from_few, from_few / 2) == pytest.approx(1500, abs=10)


def test_questions_that_go_together_detect_less():
    values = np.repeat(np.random.default_rng(2).choice([-1.0, 0.0, 1.0], size=50), 8)[:, None]
    (alone,) = detectable_differences(values, list(range(400)))
    (together,) = detectable_differences(values, np.repeat(range(50), 8).tolist())
    assert alone is not None
    assert together is not None
    assert together > 2 * alone


def test_one_passage_or_three_questions_cannot_show_anything():
    assert detectable_differences(np.ones((5, 1)), ["one"] * 5) == [None]
    assert detectable_differences(np.array([[1.0], [0.0]]), ["a", "b"]) == [None]


@pytest.mark.parametrize(
    ("detectable", "difference", "n_more"),
    [
        (0.03, 0.05, 0),
        (0.05, 0.05, 0),
        (0.036, 0.03, 350),
        (0.0505, 0.05, 20),
        (0.05, -0.01, 19000),
    ],
)
def test_how_many_more_are_needed_is_told_in_round_numbers(
    detectable: float, difference: float, n_more: int
):
    assert questions_needed(790, detectable, difference) == n_more


def test_more_rivals_take_more_questions():
    alone = questions_needed(790, 0.04, 0.03)
    assert questions_needed(790, 0.04, 0.03, n_compared=6) > 1.5 * alone


def test_the_headroom_is_what_the_baseline_leaves():
    assert headroom_gained(0.05, 0.75) == pytest.approx(0.2)
    assert headroom_gained(-0.05, 0.75) == pytest.approx(-0.2)
    assert headroom_gained(0.0, 1.0) is None
