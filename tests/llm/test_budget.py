"""A budget in dollars is not passed, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_model import Model, Reply, ask, good, is_question, wanted

from homing.errors import UsageError
from homing.llm.dispatch import ask_all
from homing.llm.ledger import Ledger
from homing.llm.provider import ChatAnswer, TransientFailure


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def test_a_budget_is_used_up_but_never_passed(ledger: Ledger) -> None:
    model = Model(delay_s=0.001)
    asked = ask(model, 200, ledger, budget_usd=0.06)
    assert asked.stopped_by_budget
    assert 0.06 - 2 * 0.0012 <= asked.spent.price_usd <= 0.06
    assert asked.n_answered + asked.n_left == 200
    assert set(model.asked.values()) == {1}


def test_a_later_run_goes_on_from_what_was_spent_before(ledger: Ledger) -> None:
    first = ask(Model(), 100, ledger, budget_usd=0.03)
    before = first.spent.price_usd
    second = ask(Model(), 100, ledger, budget_usd=0.06, spent_usd=before)
    assert second.n_found == first.n_answered
    assert 0.03 < before + second.spent.price_usd <= 0.06
    third = ask(Model(), 100, ledger, budget_usd=0.06, spent_usd=0.06)
    assert (third.n_answered, third.stopped_by_budget) == (0, True)


def test_a_budget_too_small_for_one_call_asks_nothing(ledger: Ledger) -> None:
    model = Model()
    asked = ask(model, 10, ledger, budget_usd=0.0001)
    assert (asked.n_left, asked.stopped_by_budget) == (10, True)
    assert not model.requests


def test_a_budget_that_lasts_stops_nothing(ledger: Ledger) -> None:
    asked = ask(Model(), 10, ledger, budget_usd=1.0)
    assert (asked.n_answered, asked.n_left, asked.stopped_by_budget) == (10, 0, False)


def test_answers_of_no_use_are_paid_for_too(ledger: Ledger) -> None:
    model = Model(lambda passage, n: ChatAnswer("Hm.", "stop", 1000, 20))
    asked = ask(model, 200, ledger, budget_usd=0.03)
    assert asked.spent.price_usd <= 0.03
    assert asked.n_unusable + asked.n_left == 200


def test_what_may_have_been_billed_and_never_arrived_counts_against_the_budget(
    ledger: Ledger,
) -> None:
    def script(passage: str, n: int) -> Reply:
        return TransientFailure("malformed", "Cut.") if n % 2 else good(passage)

    model = Model(script)
    assert ask(model, 200, ledger, budget_usd=0.06).spent.price_usd < 0.04
    assert len(model.requests) < 60  # without, nearly a hundred


def test_a_budget_without_a_price_names_the_setting(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match=r"write\.price"):
        ask_all(
            Model(),
            wanted(1),
            ledger,
            purpose="write",
            understand=is_question,
            budget_usd=5.0,
        )
