"""Several workers that ask at the same time: one limit, one budget, nothing asked twice."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_model import PRICE, QUICK, Model, Reply, good, is_question, wanted

from homing.errors import HomingError
from homing.llm.dispatch import Asked
from homing.llm.journal import Journal, read_journals
from homing.llm.ledger import Ledger
from homing.llm.ledger_sharing import CallRow, WorkerLedger
from homing.llm.line import Line, StoppedError
from homing.llm.provider import ChatAnswer, ProviderError, TransientFailure
from homing.llm.switchboard import Door, Switchboard
from homing.llm.together import ask_with_others, count_spent

Passages = list[str] | int


def run_worker(
    door: Door,
    model: Model,
    passages: Passages,
    journals: Path,
    *,
    left_behind: Iterable[CallRow] = (),
) -> Asked:
    name = threading.current_thread().name
    with Journal(journals, name) as journal, WorkerLedger(journal, door.traits) as ledger:
        return ask_with_others(
            model,
            wanted(passages),
            ledger,
            purpose="write",
            understand=is_question,
            limits=QUICK,
            per_million=PRICE,
            door=door,
            left_behind=left_behind,
        )


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """Return what each came to, or the error that it raised."""
    found: list[Any] = [None] * len(work)

    def run(i: int) -> None:
        try:
            found[i] = work[i]()
        except HomingError as error:
            found[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def switchboard(ledger_file: Path) -> Iterator[Switchboard]:
    with Switchboard(ledger_file, QUICK, per_million=PRICE) as opened:
        yield opened


def names(start: int, stop: int) -> list[str]:
    return [f"passage {n}" for n in range(start, stop)]


def n_calls(ledger_file: Path) -> int:
    with Ledger(ledger_file) as ledger:
        return ledger.spent().n_calls


def test_workers_share_one_limit_and_one_ledger(
    switchboard: Switchboard, ledger_file: Path, tmp_path: Path
) -> None:
    model = Model(delay_s=0.003)
    first, second = at_once(
        lambda: run_worker(switchboard.door, model, names(0, 150), tmp_path / "journals"),
        lambda: run_worker(switchboard.door, model, names(150, 300), tmp_path / "journals"),
    )
    assert (first.n_answered, second.n_answered) == (150, 150)
    assert model.n_most == QUICK.max_concurrency
    assert set(model.asked.values()) == {1}
    assert n_calls(ledger_file) == switchboard.spent.n_calls == 300
    assert switchboard.spent.price_usd == pytest.approx(300 * 0.0012)


def test_a_sign_of_too_many_calls_to_one_worker_slows_all(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    limited = 0

    def script(passage: str, n: int) -> Reply:
        nonlocal limited
        if model.n_now > 3:
            limited += 1
            return TransientFailure("rate_limit", "Slower.")
        return good(passage)

    model = Model(script, delay_s=0.002)
    found = at_once(
        *(
            lambda part=part: run_worker(switchboard.door, model, part, tmp_path / "journals")
            for part in (names(0, 150), names(150, 300))
        )
    )
    assert [asked.n_answered for asked in found] == [150, 150]
    # Each worker on its own would try four at once, again and again.
    assert 0 < limited < 100


def test_what_two_workers_want_is_asked_once(switchboard: Switchboard, tmp_path: Path) -> None:
    model = Model(delay_s=0.002)
    found = at_once(*(lambda: run_worker(switchboard.door, model, 100, tmp_path / "journals"),) * 2)
    assert set(model.asked.values()) == {1}
    assert sum(asked.n_answered for asked in found) == 100
    assert [asked.n_answered + asked.n_found for asked in found] == [100, 100]


def test_what_one_worker_gave_up_no_other_one_tries(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    model = Model(lambda passage, n: TransientFailure("server", "Down."), delay_s=0.001)
    found = at_once(*(lambda: run_worker(switchboard.door, model, 8, tmp_path / "j"),) * 2)
    assert [asked.n_failed for asked in found] == [8, 8]
    assert set(model.asked.values()) == {QUICK.max_tries}


def test_what_the_main_ledger_holds_is_not_asked_again(ledger_file: Path, tmp_path: Path) -> None:
    with Switchboard(ledger_file, QUICK, per_million=PRICE) as switchboard:
        run_worker(switchboard.door, Model(), 50, tmp_path / "journals")
    model = Model()
    with Switchboard(ledger_file, QUICK, per_million=PRICE) as switchboard:
        asked = run_worker(switchboard.door, model, 60, tmp_path / "journals")
    assert (asked.n_found, asked.n_answered) == (50, 10)
    assert sorted(model.asked) == sorted(names(50, 60))


def test_answers_of_no_use_count_whoever_was_given_them(ledger_file: Path, tmp_path: Path) -> None:
    model = Model(lambda passage, n: ChatAnswer("Hm.", "stop", 1, 1))
    for _ in range(2):
        with Switchboard(ledger_file, QUICK) as switchboard:
            asked = run_worker(switchboard.door, model, 2, tmp_path / "journals")
        assert asked.n_unusable == 2
    assert model.asked == {"passage 0": 3, "passage 1": 3}


def test_one_budget_holds_for_all_and_what_was_spent_before_counts(
    ledger_file: Path, tmp_path: Path
) -> None:
    with Switchboard(ledger_file, QUICK, per_million=PRICE) as switchboard:
        run_worker(switchboard.door, Model(), 20, tmp_path / "journals")
    model = Model(delay_s=0.001)
    with Switchboard(ledger_file, QUICK, per_million=PRICE, budget_usd=0.12) as switchboard:
        count_spent(names(0, 300), switchboard.door)
        count_spent(names(0, 10), switchboard.door)  # the same requests elsewhere cost nothing
        found = at_once(
            *(
                lambda part=part: run_worker(switchboard.door, model, part, tmp_path / "journals")
                for part in (names(0, 150), names(150, 300))
            )
        )
        spent = switchboard.spent.price_usd
        assert switchboard.stopped_by_budget
    assert 0.07 < spent <= 0.12 - 20 * 0.0012 + 1e-9
    assert sum(asked.n_left for asked in found) == 280 - sum(model.asked.values())
    assert all(asked.stopped_by_budget for asked in found)


def test_what_stops_one_worker_stops_all(switchboard: Switchboard, tmp_path: Path) -> None:
    def script(passage: str, n: int) -> Reply:
        return ProviderError("Wrong key.") if passage == "passage 5" else good(passage)

    model = Model(script, delay_s=0.01)
    first, second = at_once(
        lambda: run_worker(switchboard.door, model, names(0, 1000), tmp_path / "journals"),
        lambda: run_worker(switchboard.door, model, names(1000, 2000), tmp_path / "journals"),
    )
    assert isinstance(first, ProviderError)
    assert isinstance(second, StoppedError)
    assert str(second) == str(first) == "Wrong key."
    assert switchboard.is_stopped
    assert sum(model.asked.values()) < 100
    late = at_once(lambda: run_worker(switchboard.door, model, 5, tmp_path / "journals"))
    assert isinstance(late[0], StoppedError)


def test_a_worker_that_goes_away_frees_its_turns_and_its_requests(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    turns = []

    async def hold_everything() -> None:
        line = await Line.open(switchboard.door)
        line.on_turn = turns.append
        await line.ask("known", names(0, 40))
        for _ in range(QUICK.max_concurrency):
            line.tell("turn")
        while len(turns) < 4:  # the limiter begins with four
            await asyncio.sleep(0.001)
        await line.close()

    asyncio.run(hold_everything())
    model = Model()
    asked = run_worker(switchboard.door, model, 40, tmp_path / "journals")
    assert asked.n_answered == 40
    assert model.n_most > 1


def test_a_lost_worker_s_journal_spares_its_calls(
    switchboard: Switchboard, ledger_file: Path, tmp_path: Path
) -> None:
    journals = tmp_path / "journals"
    answer = good("passage 0")
    row = CallRow("passage 0", "openai:test", "write", "passage 0", 1, answer.text, "stop",
                  1000, 20, 0.0012, 0.1)  # fmt: skip
    with Journal(journals, "lost") as journal:
        journal.add(row)
    model = Model()
    left = [CallRow(*row) for row in read_journals(journals, "lost")]
    asked = run_worker(switchboard.door, model, 3, journals, left_behind=left * 2)
    assert (asked.n_found, asked.n_answered) == (1, 2)
    assert n_calls(ledger_file) == 3


def test_calls_are_in_the_main_ledger_while_the_worker_still_works(
    switchboard: Switchboard, ledger_file: Path, tmp_path: Path
) -> None:
    seen: list[int] = []

    def script(passage: str, n: int) -> Reply:
        if passage == "passage 99":
            seen.append(n_calls(ledger_file))
        return good(passage)

    run_worker(switchboard.door, Model(script, delay_s=0.005), 100, tmp_path / "journals")
    assert seen[0] >= 100 - 2 * QUICK.max_concurrency


def test_nobody_is_let_in_without_the_token(switchboard: Switchboard, tmp_path: Path) -> None:
    door = replace(switchboard.door, token="guessed")
    with pytest.raises(StoppedError, match="hangs up"):
        run_worker(door, Model(), 1, tmp_path / "journals")
    asked = run_worker(switchboard.door, Model(), 1, tmp_path / "journals")
    assert asked.n_answered == 1
    assert switchboard.door.token not in repr(switchboard.door)


def test_a_worker_whose_job_is_gone_stops_and_says_so(ledger_file: Path, tmp_path: Path) -> None:
    model = Model(delay_s=0.01)
    found: list[Any] = []
    with Switchboard(ledger_file, QUICK) as switchboard:
        door = switchboard.door

        def work() -> None:
            found.extend(at_once(lambda: run_worker(door, model, 100_000, tmp_path / "journals")))

        thread = threading.Thread(target=work)
        thread.start()
        while sum(model.asked.values()) < 20:
            time.sleep(0.001)
    thread.join(timeout=10)
    assert isinstance(found[0], StoppedError)
    # What came after the switchboard was gone is kept all the same.
    assert len(list(read_journals(tmp_path / "journals"))) >= n_calls(ledger_file) > 0


def test_what_was_found_out_about_a_server_is_known_to_all(ledger_file: Path) -> None:
    with Ledger(ledger_file) as ledger:
        ledger.remember_trait("server", "schema", "json_object")
    with (
        Switchboard(ledger_file, QUICK) as switchboard,
        Journal(ledger_file.parent, "worker") as journal,
        WorkerLedger(journal, switchboard.door.traits) as own,
    ):
        assert own.trait("server", "schema") == "json_object"
