"""Every call that was paid for is kept, and found again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from homing.errors import HomingError, UsageError
from homing.llm.ledger import Call, FailedCall, Ledger, price_of_call
from homing.llm.provider import ChatAnswer, ChatRequest, EmbeddingAnswer

QUESTION = ChatAnswer("How long is parental leave?", "stop", 500, 20, 1.5)
NONSENSE = ChatAnswer("As an AI model,", "stop", 500, 5, 0.5)


def record(
    ledger: Ledger,
    key: str,
    answer: ChatAnswer = QUESTION,
    *,
    usable: bool = True,
    purpose: str = "write",
    price: float | None = 0.001,
) -> Call:
    return ledger.record(
        key,
        answer,
        provider="openai:test",
        purpose=purpose,
        item_id="leave",
        usable=usable,
        price_usd=price,
    )


def test_an_answer_is_found_again_after_the_file_was_closed(tmp_path: Path) -> None:
    with Ledger(tmp_path / "a" / "ledger.sqlite") as ledger:
        kept = record(ledger, "k")
    with Ledger(tmp_path / "a" / "ledger.sqlite") as ledger:
        assert ledger.find("k") == kept == Call("k", 0, True, QUESTION, 0.001)
        assert ledger.find("other") is None


def test_of_several_answers_the_first_usable_one_is_found_else_the_last(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l") as ledger:
        record(ledger, "k", NONSENSE, usable=False)
        record(ledger, "k", ChatAnswer("Sorry.", "refusal", 500, 2, 0.1), usable=False)
        found = ledger.find("k")
        assert found is not None
        assert (found.answer.text, found.attempt, found.usable) == ("Sorry.", 1, False)
        record(ledger, "k")
        record(ledger, "k", NONSENSE)
        found = ledger.find("k")
        assert found is not None
        assert (found.answer, found.attempt) == (QUESTION, 2)
        assert ledger.n_unusable("k") == 2


def test_a_failure_stays_listed_until_there_is_a_usable_answer(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l") as ledger:
        failed = FailedCall("k", "leave", "timeout", "No answer after 120 s.", 6)
        ledger.record_failure(failed, provider="openai:test", purpose="write")
        assert ledger.failure("k") == failed
        record(ledger, "k", NONSENSE, usable=False)
        assert ledger.failure("k") == failed
        record(ledger, "k")
        assert ledger.failure("k") is None


def test_what_was_spent_is_told_by_purpose_and_leaves_out_what_has_no_price(
    tmp_path: Path,
) -> None:
    with Ledger(tmp_path / "l") as ledger:
        record(ledger, "a")
        record(ledger, "b", purpose="judge", price=0.5)
        record(ledger, "c", price=None)
        assert ledger.spent().n_calls == 3
        written = ledger.spent(purpose="write")
        assert (written.input_tokens, written.output_tokens) == (1000, 40)
        assert (written.price_usd, written.n_unpriced) == (0.001, 1)
        assert ledger.spent(purpose="judge").price_usd == 0.5


def test_traits_and_batches_are_remembered(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l") as ledger:
        assert ledger.trait("server", "schema") is None
        ledger.remember_trait("server", "schema", "json_object")
        ledger.remember_trait("server", "schema", "text")
        assert ledger.trait("server", "schema") == "text"
        ledger.record_batch("batch_1", ["a", "b"], provider="openai:test", purpose="write")
        assert ledger.open_batches("openai:test", "write") == {"batch_1": ["a", "b"]}
        ledger.close_batch("batch_1")
        assert ledger.open_batches("openai:test", "write") == {}


WRITES_UNTIL_KILLED = """
import itertools, sys
from pathlib import Path
from homing.llm.ledger import Ledger
from homing.llm.provider import ChatAnswer
with Ledger(Path(sys.argv[1])) as ledger:
    for n in itertools.count():
        ledger.record(str(n), ChatAnswer("Q?", "stop", 1, 1), provider="p", purpose="write",
                      item_id="i", usable=True, price_usd=0.0)
        print(n, flush=True)
"""


def test_what_was_recorded_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    job = subprocess.Popen(
        [sys.executable, "-c", WRITES_UNTIL_KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert job.stdout is not None
    while int(job.stdout.readline()) < 100:
        pass
    os.kill(job.pid, signal.SIGKILL)
    last = 100
    for line in job.stdout:
        last = int(line) if line.endswith("\n") else last
    job.wait()
    with Ledger(path) as ledger:
        assert all(ledger.find(str(n)) for n in range(last + 1))


def test_two_jobs_may_share_a_ledger(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l") as mine, Ledger(tmp_path / "l") as theirs:
        for n in range(20):
            record(mine if n % 2 else theirs, str(n))
        assert mine.spent().n_calls == theirs.spent().n_calls == 20


def test_a_file_that_is_no_ledger_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and no ledger at all. " * 50)
    with pytest.raises(UsageError, match=r"notes\.txt is no ledger"):
        Ledger(path)


def test_a_ledger_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "l"
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(UsageError, match="later version"):
        Ledger(path)


def test_a_ledger_of_the_first_version_keeps_what_it_holds_and_learns_about_vectors(
    tmp_path: Path,
) -> None:
    path = tmp_path / "l"
    with Ledger(path) as ledger:
        record(ledger, "k")
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE vectors")
        db.execute("PRAGMA user_version = 1")
    with Ledger(path) as ledger, Ledger(path) as beside:
        assert ledger.find("k") is not None
        ledger.record_vectors([b"a"], vectors_of([[0.6, 0.8]]), provider="p", price_usd=None)
        assert beside.find_vectors([b"a"])[b"a"].tolist() == pytest.approx([0.6, 0.8])


def vectors_of(rows: list[list[float]]) -> EmbeddingAnswer:
    return EmbeddingAnswer(np.array(rows, dtype=np.float32), 10, 0.5)


def test_vectors_are_found_again_bit_by_bit_and_counted_as_one_call(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((1200, 8)).astype(np.float32)
    keys = [f"text {n}".encode() for n in range(1200)]
    with Ledger(tmp_path / "l") as ledger:
        answer = EmbeddingAnswer(rows, 6000, 0.5)
        ledger.record_vectors(keys, answer, provider="openai:m", price_usd=0.0001)
    with Ledger(tmp_path / "l") as ledger:
        found = ledger.find_vectors([*keys, b"another"])
        assert len(found) == 1200
        assert all(np.array_equal(found[key], row) for key, row in zip(keys, rows, strict=True))
        spent = ledger.spent(purpose="embed", provider="openai:m")
        assert (spent.n_calls, spent.input_tokens, spent.price_usd) == (1, 6000, 0.0001)


def test_vectors_that_are_there_stay_when_they_come_again(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l") as ledger:
        for number in (1.0, 2.0):
            ledger.record_vectors([b"a"], vectors_of([[number]]), provider="p", price_usd=0.5)
        assert ledger.find_vectors([b"a"])[b"a"].tolist() == [1.0]
        assert ledger.spent().price_usd == 1.0


def test_a_folder_in_the_place_of_a_ledger_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "l").mkdir()
    with pytest.raises(HomingError, match="cannot be used"):
        Ledger(tmp_path / "l")


def test_a_key_depends_on_everything_that_decides_the_answer() -> None:
    asked = ChatRequest("You write questions.", "Parents may take leave.", None, 512, None)
    others = [
        ChatRequest("You judge questions.", asked.user, None, 512, None),
        ChatRequest(asked.system, "Parents must take leave.", None, 512, None),
        ChatRequest(asked.system, asked.user, {"type": "object"}, 512, None),
        ChatRequest(asked.system, asked.user, None, 1024, None),
        ChatRequest(asked.system, asked.user, None, 512, 0.7),
    ]
    keys = {request.key("openai:test") for request in [asked, *others]}
    assert len(keys | {asked.key("openai:other")}) == 7
    assert asked.key("openai:test") == ChatRequest(asked.system, asked.user, None, 512).key(
        "openai:test"
    )


def test_a_price_is_dollars_for_a_million_tokens() -> None:
    assert price_of_call(ChatAnswer("", "stop", 1_000_000, 500_000), (0.25, 2.0)) == 1.25
    assert price_of_call(QUESTION, None) is None
