"""Ledgers that take over each other's rows: by key, and each once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homing.llm.ledger import FailedCall
from homing.llm.ledger_sharing import CallRow, FailureRow, SharedLedger

ROW = CallRow("key", "openai:test", "write", "passage", 1, "Why?", "stop", 10, 2, 0.5, 0.25)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SharedLedger]:
    with SharedLedger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def test_an_answer_that_arrives_twice_is_kept_once(ledger: SharedLedger) -> None:
    assert ledger.take([ROW, ROW]) == [ROW]
    assert ledger.take([ROW]) == []
    assert ledger.spent().n_calls == 1


def test_another_answer_to_the_same_request_is_kept_behind_the_first(ledger: SharedLedger) -> None:
    other = ROW._replace(text="How?", seconds=0.5)
    ledger.take([ROW])
    assert ledger.take([other]) == [other]
    found = ledger.find("key")
    assert found is not None
    assert found.answer.text == "Why?"
    assert ledger.calls(["key", "none"]) == [ROW, other]


def test_what_was_had_is_no_failure_any_more(ledger: SharedLedger) -> None:
    failed = FailureRow("key", "openai:test", "write", "passage", "server", "Down.", 6)
    ledger.take([], [failed])
    assert ledger.failure("key") == FailedCall("key", "passage", "server", "Down.", 6)
    assert ledger.failures(["key"]) == [failed]
    ledger.take([ROW._replace(usable=0)])
    assert ledger.failure("key") is not None
    ledger.take([ROW])
    assert ledger.failure("key") is None


def test_any_number_of_keys_can_be_asked_for(ledger: SharedLedger) -> None:
    ledger.take([ROW._replace(key=f"key {n}") for n in range(1200)])
    assert len(ledger.calls([f"key {n}" for n in range(2000)])) == 1200
