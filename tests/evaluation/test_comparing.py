"""What differs between two evaluations, question by question."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from homing.dataset import Dataset
from homing.errors import UsageError
from homing.evaluation.comparing import compare_evaluations
from homing.evaluation.contenders import Contender
from homing.evaluation.evaluate import evaluate
from homing.types import Evaluation, Passage, Qrel, Query

N = 40


class Ranked:
    """A retriever that puts each question's own passage at a rank of our choosing."""

    def __init__(self, ranks: list[int]) -> None:
        self.ranks = ranks
        self.n_passages = N

    def scores(self, queries):
        table = np.zeros((len(queries), N), dtype=np.float32)
        for row, text in enumerate(queries):
            own = int(text.split()[-1])
            others = [p for p in range(N) if p != own]
            others.insert(self.ranks[own] - 1, own)
            table[row, others] = np.arange(N, 0, -1)
        return table


def evaluated(ranks: list[int], name: str = "tuned", asked: range = range(N)) -> Evaluation:
    dataset = Dataset(
        {f"p{i}": Passage(f"p{i}", f"report {i}", 0, 9, f"passage {i}") for i in range(N)},
        {f"q{i}": Query(f"q{i}", f"what is said in {i}") for i in asked},
        {"test": [Qrel(f"q{i}", f"p{i}") for i in asked]},
    )
    return evaluate(dataset, [Contender(name, "ranks", given=Ranked(ranks))], split="test")


BEFORE = [1] * 20 + [9] * 20
AFTER = [1] * 18 + [9] * 2 + [2] * 20


def test_every_measure_is_compared_over_the_same_questions() -> None:
    found = compare_evaluations(evaluated(BEFORE), evaluated(AFTER))
    hit = next(c for c in found.changes if c.measure == "hit@5")
    assert (hit.before, hit.after) == (0.5, 0.95)
    assert hit.difference.value == pytest.approx(0.45)
    assert hit.difference.low > 0
    assert hit.p_value < 0.01
    assert len(found.won["tuned", "tuned"]) == 20
    assert list(found.lost["tuned", "tuned"]) == ["q18", "q19"]


def test_an_evaluation_does_not_differ_from_itself() -> None:
    found = compare_evaluations(evaluated(BEFORE), evaluated(BEFORE))
    assert {change.difference.value for change in found.changes} == {0.0}
    assert {change.p_value for change in found.changes} == {1.0}


def test_questions_that_only_one_asked_are_left_out_and_counted() -> None:
    found = compare_evaluations(evaluated(BEFORE), evaluated(AFTER, asked=range(10, 40)))
    assert (found.n_common, found.n_only) == (30, (10, 0))
    hit = next(c for c in found.changes if c.measure == "hit@5")
    assert hit.before == pytest.approx(10 / 30)


def test_contenders_of_different_names_are_compared_as_asked() -> None:
    a, b = evaluated(BEFORE, "base"), evaluated(AFTER, "tuned")
    with pytest.raises(UsageError, match="--pair"):
        compare_evaluations(a, b)
    found = compare_evaluations(a, b, pairs=[("base", "tuned")])
    assert {(c.name, c.other) for c in found.changes} == {("base", "tuned")}
    with pytest.raises(UsageError, match="second evaluation has no contender 'bm25', but tuned"):
        compare_evaluations(a, b, pairs=[("base", "bm25")])


def test_without_a_common_question_nothing_is_compared() -> None:
    with pytest.raises(UsageError, match="no question in common"):
        compare_evaluations(
            evaluated(BEFORE, asked=range(10)), evaluated(AFTER, asked=range(20, 30))
        )


def test_questions_of_one_document_go_together_where_that_was_kept() -> None:
    a, b = evaluated(BEFORE), evaluated(AFTER)
    alone = compare_evaluations(a, b).changes[1]
    together = compare_evaluations(replace(a, clusters=["one report"] * N), b).changes[1]
    assert alone.difference.low > 0
    assert (together.difference.low, together.difference.high) == (-1, 1)  # tells nothing
