"""What nobody judged, and what a judge makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from homing.evaluation.unjudged import pool, unjudged_fractions, with_verdicts
from homing.types import Qrel, Run

CORPUS = ("leave", "leave copy", "parents", "travel", "doors")
ASKED = ("how long is parental leave", "who books trains")
QRELS = [
    Qrel(ASKED[0], "leave"),
    Qrel(ASKED[1], "travel"),
    Qrel(ASKED[1], "doors", 0),
]
COPIES = {"leave": "L", "leave copy": "L"}


def run(*rankings: list[str]) -> Run:
    ranking = np.array([[CORPUS.index(name) for name in row] for row in rankings])
    scores = np.tile(np.arange(ranking.shape[1], 0, -1, dtype=np.float32), (len(rankings), 1))
    return Run(ASKED, CORPUS, ranking, scores)


RUNS = {
    "base": run(["leave copy", "parents"], ["doors", "parents"]),
    "tuned": run(["parents", "leave"], ["travel", "leave copy"]),
}


def test_copies_of_the_right_passage_and_passages_judged_wrong_are_judged() -> None:
    fractions = unjudged_fractions(RUNS, QRELS, groups=COPIES, k=2)
    assert fractions == {"base": 0.5, "tuned": 0.5}
    assert unjudged_fractions(RUNS, QRELS, groups=COPIES, k=1) == {"base": 0.0, "tuned": 0.5}


def test_the_pool_holds_what_any_contender_found_once() -> None:
    assert pool(RUNS, QRELS, groups=COPIES, k=2) == [
        (ASKED[0], "parents"),
        (ASKED[1], "leave copy"),
        (ASKED[1], "parents"),
    ]


def test_the_pool_does_not_show_who_found_what() -> None:
    turned = dict(reversed(RUNS.items()))
    assert pool(turned, QRELS, groups=COPIES, k=2) == pool(RUNS, QRELS, groups=COPIES, k=2)


def test_the_scores_before_and_after_the_judge_are_both_there() -> None:
    verdicts = {(ASKED[0], "parents"): True, (ASKED[1], "parents"): False}
    found = with_verdicts(RUNS, QRELS, verdicts, judge="openai:judge", groups=COPIES, k=1)
    assert found.before == {"base": 0.5, "tuned": 0.5}
    assert found.after == {"base": 0.5, "tuned": 1.0}
    assert (found.n_judged, found.n_right, found.judge) == (2, 1, "openai:judge")
    assert found.fraction == {"base": 0.0, "tuned": 0.5}  # by the labels alone


def test_nothing_found_is_nothing_unjudged() -> None:
    empty = Run(ASKED, CORPUS, np.full((2, 3), -1), np.full((2, 3), -np.inf, dtype=np.float32))
    assert unjudged_fractions({"none": empty}, QRELS)["none"] == pytest.approx(0.0)
    assert pool({"none": empty}, QRELS) == []
