"""Many requests asked at once: kept at once, never twice, and given up in the end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_model import Model, Reply, ask, good, wanted

from homing.llm.dispatch import Limits, Wanted, ask_all
from homing.llm.ledger import Ledger
from homing.llm.provider import ChatAnswer, ProviderError, RequestRefused, TransientFailure


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def test_every_answer_is_kept_and_nothing_is_asked_a_second_time(ledger: Ledger) -> None:
    model = Model()
    first = ask(model, 100, ledger)
    assert (first.n_answered, first.n_found, first.spent.n_calls) == (100, 0, 100)
    assert first.spent.price_usd == pytest.approx(0.12)
    assert ledger.spent(purpose="write").price_usd == pytest.approx(0.12)
    again = ask(model, 120, ledger)
    assert (again.n_answered, again.n_found) == (20, 100)
    assert set(model.asked.values()) == {1}


def test_requests_are_taken_only_as_calls_can_begin(ledger: Ledger) -> None:
    model = Model()
    n_taken, furthest = 0, 0

    def counted() -> Iterator[Wanted]:
        nonlocal n_taken, furthest
        for item in wanted(500):
            n_taken += 1
            furthest = max(furthest, n_taken - ledger.spent().n_calls)
            yield item

    assert ask(model, counted(), ledger).n_answered == 500
    assert model.n_most == 8
    assert furthest <= 2 * 8 + 1


def test_an_answer_that_cannot_be_understood_is_asked_for_again(ledger: Ledger) -> None:
    model = Model(lambda passage, n: good(passage) if n == 2 else ChatAnswer("Hm.", "stop", 1, 1))
    asked = ask(model, 10, ledger)
    assert (asked.n_answered, asked.spent.n_calls) == (10, 20)
    assert ledger.n_unusable("passage 3") == 1


def test_useless_answers_of_earlier_runs_count_until_tries_are_granted_anew(
    ledger: Ledger,
) -> None:
    model = Model(lambda passage, n: ChatAnswer("Hm.", "stop", 1, 1))
    assert ask(model, 2, ledger).n_unusable == 2
    assert model.asked == {"passage 0": 3, "passage 1": 3}
    assert ask(model, 2, ledger).n_unusable == 2
    assert model.asked["passage 0"] == 3
    assert ask(model, 2, ledger, again=True).n_unusable == 2
    assert model.asked["passage 0"] == 6
    model.script = lambda passage, n: good(passage)
    assert ask(model, 2, ledger, again=True).n_answered == 2


def test_an_answer_that_was_cut_off_is_asked_for_at_more_length_under_the_same_key(
    ledger: Ledger,
) -> None:
    model = Model()
    model.script = lambda passage, n: (
        good(passage) if n == 3 else ChatAnswer("How l", "length", 1, model.requests[-1].max_tokens)
    )
    assert ask(model, 1, ledger).n_answered == 1
    assert [request.max_tokens for request in model.requests] == [64, 128, 256]
    found = ledger.find("passage 0")
    assert found is not None
    assert found.attempt == 2


def test_a_refusal_of_the_model_is_of_no_use_whatever_it_says(ledger: Ledger) -> None:
    model = Model(lambda passage, n: ChatAnswer("Why should I?", "refusal", 1, 1))
    assert ask(model, 1, ledger).n_unusable == 1


@pytest.mark.parametrize("kind", ["server", "timeout", "connection", "malformed", "rate_limit"])
def test_what_another_try_gets_over_is_tried_again(ledger: Ledger, kind: str) -> None:
    model = Model(lambda p, n: good(p) if n == 3 else TransientFailure(kind, "Not now."))  # type: ignore[arg-type]
    asked = ask(model, 20, ledger)
    assert (asked.n_answered, asked.n_failed) == (20, 0)
    assert set(model.asked.values()) == {3}


def test_what_fails_every_time_is_listed_and_asked_again_by_the_next_run(ledger: Ledger) -> None:
    def script(passage: str, n: int) -> Reply:
        return TransientFailure("server", "Down.") if passage == "passage 4" else good(passage)

    model = Model(script)
    asked = ask(model, 10, ledger)
    assert (asked.n_answered, asked.n_failed) == (9, 1)
    failed = ledger.failure("passage 4")
    assert failed is not None
    assert (failed.reason, failed.detail, failed.tries) == ("server", "Down.", 6)
    model.script = lambda passage, n: good(passage)
    assert ask(model, 10, ledger).n_answered == 1
    assert ledger.failure("passage 4") is None


def test_a_request_that_is_refused_is_tried_once(ledger: Ledger) -> None:
    model = Model(lambda p, n: RequestRefused("Too long.") if p == "passage 1" else good(p))
    assert ask(model, 3, ledger).n_failed == 1
    failed = ledger.failure("passage 1")
    assert failed is not None
    assert (failed.reason, failed.tries) == ("refused", 1)


def test_being_told_to_wait_is_no_failure_while_others_are_answered(ledger: Ledger) -> None:
    def script(passage: str, n: int) -> Reply:
        unlucky = passage == "passage 0" and n <= 20
        return TransientFailure("rate_limit", "Slower.") if unlucky else good(passage)

    model = Model(script, delay_s=0.001)
    limits = Limits(max_concurrency=4, max_tries=3, backoff_s=0.001, max_backoff_s=0.001)
    asked = ask(model, 400, ledger, limits)
    assert (asked.n_answered, asked.n_failed) == (400, 0)
    assert model.asked["passage 0"] == 21


def test_calls_pause_for_as_long_as_the_server_asks(ledger: Ledger) -> None:
    times: list[float] = []

    def script(passage: str, n: int) -> Reply:
        times.append(asyncio.get_running_loop().time())
        return TransientFailure("rate_limit", "Slower.", 0.1) if len(times) == 1 else good(passage)

    assert ask(Model(script), 1, ledger).n_answered == 1
    assert times[1] - times[0] >= 0.099


def test_a_server_that_asks_to_wait_for_hours_is_not_waited_for(ledger: Ledger) -> None:
    model = Model(lambda passage, n: TransientFailure("rate_limit", "Daily limit.", 5 * 3600.0))
    with pytest.raises(ProviderError, match=r"5\.0 hours \(Daily limit\.\)"):
        ask(model, 5, ledger)


def test_a_silent_call_ends_at_the_time_limit(ledger: Ledger) -> None:
    model = Model(delay_s=60.0)
    asked = ask(model, 2, ledger, Limits(timeout_s=0.01, max_tries=2, backoff_s=0.001))
    assert asked.n_failed == 2
    failed = ledger.failure("passage 0")
    assert failed is not None
    assert (failed.reason, failed.detail) == ("timeout", "No answer after 0.01 s.")


def test_a_wrong_key_stops_everything_at_once_and_what_arrived_is_kept(ledger: Ledger) -> None:
    def script(passage: str, n: int) -> Reply:
        return ProviderError("Set OPENAI_API_KEY.") if passage == "passage 30" else good(passage)

    model = Model(script, delay_s=0.002)
    with pytest.raises(ProviderError, match="Set OPENAI_API_KEY"):
        ask(model, 10_000, ledger)
    assert len(model.requests) <= 40
    assert ledger.spent().n_calls >= 30
    assert model.n_now == 0


def test_a_provider_that_is_down_is_not_asked_ten_thousand_times(ledger: Ledger) -> None:
    model = Model(lambda passage, n: TransientFailure("connection", "It hung up."))
    with pytest.raises(ProviderError, match=r"last 50 requests .* failed.*It hung up\."):
        ask(model, 10_000, ledger, Limits(max_concurrency=8, max_tries=2, backoff_s=0.0001))
    assert len(model.requests) < 150


def test_ctrl_c_leaves_what_was_answered_in_the_ledger(ledger: Ledger) -> None:
    def script(passage: str, n: int) -> Reply:
        if passage == "passage 50":
            signal.raise_signal(signal.SIGINT)
        return good(passage)

    model = Model(script)
    with pytest.raises(KeyboardInterrupt):
        ask(model, 10_000, ledger)
    n_kept = ledger.spent().n_calls
    assert n_kept == len(model.requests) >= 50
    model.script = lambda passage, n: good(passage)
    assert ask(model, n_kept + 5, ledger).n_answered == 5


def test_a_key_that_is_wanted_twice_is_asked_once(ledger: Ledger) -> None:
    model = Model()
    asked = ask(model, ["leave", "leave", "pay", "leave"], ledger)
    assert (asked.n_answered, asked.n_found) == (2, 2)
    assert model.asked == {"leave": 1, "pay": 1}
    model = Model(lambda passage, n: RequestRefused("No."))
    assert ask(model, ["rent"] * 3 + ["visa"] * 3, ledger).n_failed == 6
    assert model.asked == {"rent": 1, "visa": 1}


def test_a_reader_of_answers_that_breaks_costs_no_answer(ledger: Ledger) -> None:
    def broken(answer: ChatAnswer) -> bool:
        raise KeyError("questions")

    with pytest.raises(KeyError, match="questions"):
        ask_all(Model(), wanted(1), ledger, purpose="write", understand=broken)
    assert ledger.spent().n_calls == 1


def test_requests_that_cannot_be_made_are_an_error(ledger: Ledger) -> None:
    def breaking() -> Iterator[Wanted]:
        yield from wanted(3)
        raise OSError("The corpus cannot be read.")

    with pytest.raises(OSError, match="corpus"):
        ask(Model(), breaking(), ledger)
    assert ledger.spent().n_calls == 3


def test_it_can_be_called_where_an_event_loop_runs_as_in_a_notebook(ledger: Ledger) -> None:
    async def cell() -> int:
        n_answered = ask(Model(delay_s=0.001), 20, ledger).n_answered
        await asyncio.sleep(0)
        return n_answered

    assert asyncio.run(cell()) == 20
