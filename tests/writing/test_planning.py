"""The plan of questions: its shares, its variety, and that it is the same every time."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.errors import UsageError
from homing.writing.planning import (
    DEFAULT_SHARES,
    INSTRUCTIONS,
    KINDS,
    LENGTHS,
    PERSONAS,
    normalised_shares,
    plan_questions,
)

PASSAGES = [f"passage-{i}" for i in range(3000)]


def within_sampling_error(n_drawn: int, n: int, share: float) -> bool:
    return abs(n_drawn - n * share) <= 4 * math.sqrt(n * share * (1 - share)) + 1


def test_every_kind_comes_in_its_share() -> None:
    kinds = Counter(q.kind for p in PASSAGES for q in plan_questions(p, 2))
    for kind, share in DEFAULT_SHARES.items():
        assert within_sampling_error(kinds[kind], 2 * len(PASSAGES), share), kind


def test_lengths_and_personas_come_in_their_shares_but_keywords_are_short() -> None:
    planned = [q for p in PASSAGES for q in plan_questions(p, 2, shares={"factual": 1})]
    lengths = Counter(q.length for q in planned)
    personas = Counter(q.persona for q in planned)
    for length, share in LENGTHS.items():
        assert within_sampling_error(lengths[length], len(planned), share), length
    for persona in PERSONAS:
        assert within_sampling_error(personas[persona], len(planned), 1 / len(PERSONAS)), persona
    searched = [q for p in PASSAGES[:100] for q in plan_questions(p, 2, shares={"keywords": 1})]
    assert {q.length for q in searched} == {"short"}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_passage_is_asked_different_kinds_by_different_people(n: int) -> None:
    for passage_id in PASSAGES[:500]:
        plan = plan_questions(passage_id, n)
        assert len({q.kind for q in plan}) == n
        assert len({q.persona for q in plan}) == n


def test_as_many_questions_as_kinds_of_equal_share_are_one_of_each() -> None:
    plan = plan_questions("leave", len(KINDS), shares=dict.fromkeys(KINDS, 1))
    assert {q.kind for q in plan} == set(KINDS)


@given(
    st.dictionaries(st.sampled_from(KINDS), st.integers(1, 100), min_size=1),
    st.integers(1, 20),
    st.integers(0, 99),
)
def test_a_kind_comes_as_often_as_its_share_of_the_questions_rounded_up_or_down(
    shares: dict[str, float], n: int, seed: int
) -> None:
    kinds = Counter(q.kind for q in plan_questions("leave", n, seed=seed, shares=shares))
    assert kinds.total() == n
    for kind, share in normalised_shares(shares).items():
        assert math.floor(n * share - 1e-9) <= kinds[kind] <= math.ceil(n * share + 1e-9)


def test_the_same_seed_and_passage_give_the_same_plan_and_others_another() -> None:
    assert plan_questions("leave", 4, seed=7) == plan_questions("leave", 4, seed=7)
    plans = {plan_questions(p, 4, seed=s) for p in PASSAGES[:20] for s in range(5)}
    assert len(plans) > 95


def test_an_instruction_continues_a_sentence() -> None:
    for planned in plan_questions("leave", 7):
        assert planned.instruction == INSTRUCTIONS[planned.kind]
        assert planned.instruction[0].islower()
        assert not planned.instruction.endswith(".")


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"factual": 1, "riddle": 1}, "riddle"),
        ({"factual": -1}, "factual"),
        ({"factual": float("nan")}, "factual"),
        ({"factual": 0}, "All shares are 0"),
        ({}, "All shares are 0"),
    ],
)
def test_impossible_shares_are_refused_with_the_kind(
    shares: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        plan_questions("leave", 2, shares=shares)


def test_the_default_shares_add_up() -> None:
    assert set(DEFAULT_SHARES) == set(KINDS)
    assert sum(DEFAULT_SHARES.values()) == pytest.approx(1)
    assert sum(LENGTHS.values()) == pytest.approx(1)
