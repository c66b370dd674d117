"""What is new in a ledger goes out once, and is merged into another by key."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from homing.llm import ledger_parts
from homing.llm.ledger import FailedCall, Ledger
from homing.llm.ledger_parts import copy_ledger, export_new, mark_sent, merge_ledger
from homing.llm.provider import ChatAnswer, EmbeddingAnswer

ANSWER = ChatAnswer("How long is parental leave?", "stop", 500, 20, 1.5)


def record(ledger: Ledger, *keys: str, usable: bool = True) -> None:
    for key in keys:
        ledger.record(
            key, ANSWER, provider="p", purpose="write", item_id="x", usable=usable, price_usd=0.5
        )


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A ledger, what remembers, and a part."""
    return tmp_path / "ledger.sqlite", tmp_path / "sent", tmp_path / "part"


def test_each_call_goes_out_once(paths):
    ledger, sent, part = paths
    with Ledger(ledger) as open_ledger:
        record(open_ledger, "a", "b")
        assert export_new(ledger, sent, part)  # while it is open, as the job has it
        mark_sent(part, sent)
        assert not export_new(ledger, sent, part)
        record(open_ledger, "c")
        assert export_new(ledger, sent, part)
    with Ledger(part) as told:
        assert [told.find(key) is not None for key in "abc"] == [False, False, True]


def test_what_was_exported_and_not_sent_goes_out_again(paths):
    ledger, sent, part = paths
    with Ledger(ledger) as open_ledger:
        record(open_ledger, "a")
    assert export_new(ledger, sent, part)
    assert export_new(ledger, sent, part)


def test_many_new_calls_go_out_in_several_parts(paths, monkeypatch):
    monkeypatch.setattr(ledger_parts, "ROWS_IN_PART", 2)
    ledger, sent, part = paths
    with Ledger(ledger) as open_ledger:
        record(open_ledger, *"abcde")
    n_parts = 0
    while export_new(ledger, sent, part):
        mark_sent(part, sent)
        n_parts += 1
    assert n_parts == 3


def test_merged_parts_give_the_same_ledger_in_any_order_and_any_number_of_times(paths, tmp_path):
    ledger, sent, part = paths
    with Ledger(ledger) as open_ledger:
        record(open_ledger, "a", usable=False)
        record(open_ledger, "a", "b")
        vectors = EmbeddingAnswer(np.ones((2, 3), dtype=np.float32), 7, 0.1)
        open_ledger.record_vectors([b"x", b"y"], vectors, provider="p", price_usd=0.1)
    parts = []
    for key in ("", "c", "d"):
        with Ledger(ledger) as open_ledger:
            record(open_ledger, *key)
        export_new(ledger, sent, part)
        mark_sent(part, sent)
        parts.append(part.rename(tmp_path / f"part-{key}"))
    other = tmp_path / "other" / "ledger.sqlite"
    for part in [*parts[::-1], *parts]:
        merge_ledger(part, other)
    with Ledger(ledger) as here, Ledger(other) as there:
        assert there.spent() == here.spent()
        assert there.find("a") == here.find("a")
        assert there.find("a").usable
        assert len(there.find_vectors([b"x", b"y"])) == 2


def test_a_batch_that_was_answered_is_not_waited_for_elsewhere(paths, tmp_path):
    ledger, sent, part = paths
    other = tmp_path / "other"
    with Ledger(ledger) as open_ledger:
        open_ledger.record_batch("batch-1", ["a"], provider="p", purpose="write")
    export_new(ledger, sent, part)
    mark_sent(part, sent)
    early = part.rename(tmp_path / "early")
    with Ledger(ledger) as open_ledger:
        open_ledger.close_batch("batch-1")
    assert export_new(ledger, sent, part)
    merge_ledger(early, other)
    with Ledger(other) as there:
        assert there.open_batches("p", "write") == {"batch-1": ["a"]}
    for again in (part, early):
        merge_ledger(again, other)
    with Ledger(other) as there:
        assert there.open_batches("p", "write") == {}


def test_a_failure_does_not_come_back_over_an_answer(paths, tmp_path):
    ledger, _, _ = paths
    with Ledger(ledger) as open_ledger:
        for key in "ab":
            failed = FailedCall(key, "x", "server", "500", 3)
            open_ledger.record_failure(failed, provider="p", purpose="write")
    other = tmp_path / "other"
    with Ledger(other) as there:
        record(there, "a")
    merge_ledger(ledger, other)
    with Ledger(other) as there:
        assert there.failure("a") is None
        assert there.failure("b") is not None


def test_a_copy_of_a_ledger_in_use_is_whole(paths, tmp_path):
    ledger, _, _ = paths
    with Ledger(ledger) as open_ledger:
        record(open_ledger, *"abc")
        copy_ledger(ledger, tmp_path / "copy")
    with sqlite3.connect(tmp_path / "copy") as db:
        assert db.execute("SELECT count(*) FROM calls").fetchone() == (3,)
