"""`homing questions`: read on a terminal, by programs, and by whoever corrects a table."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from handbook_sentences import HANDBOOK
from homing.cli.questions import as_text
from homing.cli.terminal import printable
from homing.curation.questions import read_questions
from homing.pipeline import Looked, SeenQuestion, look_at_questions
from homing.types import Question
from written_handbook import POOR, curate_workspace, handbook_questions, write_workspace

HOSTILE = "who \x1b[2J\x1b]0;owned\x07 may\x9b31m \u202epilot\u2069 the\u200b ship\r\nAAA\x00?"


@pytest.fixture
def curated(tmp_path: Path) -> Path:
    return curate_workspace(write_workspace(tmp_path / "tuned"))


def looked_at(*questions: SeenQuestion) -> Looked:
    return Looked(Path("tuned"), questions, len(questions), None, {"factual": len(questions)})


def test_a_person_reads_each_question_with_what_is_known_and_its_passage(homing, curated) -> None:
    done = homing("questions", curated, "--sample", 3)
    assert done.code == 0
    head = done.out.splitlines()[0]
    assert head.startswith("3 of 20 questions (23 written, 3 rejected): 12 heading, 6 how_to")
    assert "1. the handbook on " in done.out
    assert "   heading · extractive · " in done.out
    assert "   in Handbook > " in done.out
    assert "   │ " in done.out
    assert done.err == ""


def test_rejected_ones_say_why(homing, curated) -> None:
    done = homing("questions", curated, "--rejected")
    assert "3 of 3 rejected questions (23 written, 3 rejected)" in done.out
    assert "rejected, too short: It has 1 content words" in done.out
    for _, text in POOR.values():
        assert text in done.out


def test_before_curation_a_note_says_how_splits_come_about(homing, tmp_path) -> None:
    done = homing("questions", write_workspace(tmp_path / "tuned"), "--sample", 1)
    assert done.out.startswith("1 of 23 questions: 12 heading, 6 how_to, 3 poor, 2 keywords.\n")
    assert "homing curate" in done.out


def test_json_is_one_object_with_whole_passages(homing, curated) -> None:
    found = homing("questions", curated, "--json", "--sample", 0, "--kind", "keywords").json
    assert (found["n_written"], found["n_rejected"], found["n_matching"]) == (23, 3, 2)
    assert found["counts"] == {"keywords": 2}
    for row in found["questions"]:
        assert row["passage"] == HANDBOOK[row["passage_id"]]
        assert (row["kind"], row["reason"]) == ("keywords", "")
        assert isinstance(row["too_easy"], bool)


def test_the_table_can_be_given_back_as_questions(homing, curated, tmp_path) -> None:
    done = homing("questions", curated, "--csv", "--sample", 0)
    rows = list(csv.DictReader(StringIO(done.out)))
    assert len(rows) == 20
    assert rows[0]["passage"] == HANDBOOK["leave"]
    path = tmp_path / "corrected.csv"
    path.write_text(done.out, encoding="utf-8")
    given_back = read_questions(path)
    assert [q.question for q in given_back] == [q.text for q in handbook_questions()[:20]]
    assert [q.passage_id for q in given_back] == [row["passage_id"] for row in rows]


def test_a_table_holds_no_control_characters_but_line_ends(homing, tmp_path) -> None:
    hostile = Question(HOSTILE, "badge", "factual", "openai:test")
    folder = write_workspace(tmp_path / "tuned", questions=[hostile])
    done = homing("questions", folder, "--csv")
    (row,) = csv.DictReader(StringIO(done.out))
    assert row["question"].startswith("who [2J]0;owned may31m")
    assert not any(ord(c) < 32 and c not in "\n\t" for c in done.out)


def test_nothing_in_a_question_commands_the_terminal(homing, tmp_path) -> None:
    hostile = Question(HOSTILE, "badge", "\x1b[31mred", "\x1b]8;;http://x\x07", "v\x9b1")
    folder = write_workspace(tmp_path / "tuned", questions=[hostile])
    done = homing("questions", folder)
    assert "who \ufffd[2J\ufffd]0;owned\ufffd may\ufffd31m pilot the ship AAA\ufffd?" in done.out
    assert all(c.isprintable() or c == "\n" for c in done.out)


@given(st.text())
def test_what_is_printed_is_one_line_without_hidden_characters(text: str) -> None:
    shown = printable(text)
    assert "\n" not in shown
    assert all(c.isprintable() or c in "\u200c\u200d" or not c.isascii() for c in shown)
    assert not set(shown) & set("\x1b\x9b\x07\r\u202e\u2066\u2028")


def test_scripts_that_join_their_letters_stay_as_they_are() -> None:
    assert printable("می\u200cخواهم") == "می\u200cخواهم"


@pytest.mark.parametrize("width", [40, 80, 100])
@pytest.mark.parametrize(
    "text",
    [
        "员工可享受十六周带薪育儿假，自孩子出生之日起计算。" * 20,
        "https://example.org/" + "very-long-path/" * 40,
        "Parents may take twenty weeks of paid leave. " * 40,
    ],
)
def test_no_line_is_wider_than_the_terminal(width: int, text: str) -> None:
    seen = SeenQuestion(text, "factual", "openai:test", title=text, page=7, passage=text)
    lines = as_text(looked_at(*[seen] * 11), width=width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert any(line.endswith("…") for line in lines)


def test_a_long_passage_is_shortened_and_a_short_one_is_whole() -> None:
    long = SeenQuestion("what is kept?", "factual", "person", passage="keep every receipt " * 90)
    short = replace(long, passage="Keep every receipt.")
    shown = as_text(looked_at(long, short), width=80).splitlines()
    passages = [line for line in shown if "│" in line]
    assert len(passages) == 7
    assert passages[5].endswith(" …")
    assert passages[6].strip() == "│ Keep every receipt."


def test_an_easy_question_is_called_easy() -> None:
    easy = SeenQuestion("yellow badge", "keywords", "openai:test", split="test", too_easy=True)
    text = as_text(looked_at(easy, replace(easy, too_easy=False)), width=80)
    assert text.count("too easy") == 1
    assert "keywords · openai:test · test · too easy" in text


def test_a_split_without_questions_is_said_to_be_empty(homing, tmp_path) -> None:
    asked = tmp_path / "asked.jsonl"
    asked.write_text(json.dumps({"question": "when is payday?", "quote": HANDBOOK["salary"]}))
    folder = write_workspace(tmp_path / "tuned")
    curate_workspace(folder, test_questions=str(asked))
    done = homing("questions", folder, "--split", "test")
    assert done.code == 0
    assert done.out.startswith("There are no questions to show (23 written, ")


@pytest.mark.parametrize(
    ("flags", "remedy"),
    [
        (["--json", "--csv"], "choose one"),
        (["--rejected", "--split", "dev"], "ask for one or the other"),
        (["--kind", "headings"], "heading (12)"),
        (["--split", "exam"], "train"),
        (["--sample", "-1"], "--sample"),
    ],
)
def test_what_cannot_be_shown_is_wrong_usage(homing, curated, flags, remedy) -> None:
    done = homing("questions", curated, *flags)
    assert done.code == 2
    assert remedy in done.err


def test_a_workspace_without_questions_says_what_to_run(homing, tmp_path) -> None:
    done = homing("questions", tmp_path, "--json")
    assert done.code == 2
    assert "not a workspace" in done.json["error"]["message"]
    folder = write_workspace(tmp_path / "tuned", questions=[])
    assert homing("questions", folder).code == 5


def test_looking_changes_nothing(homing, curated) -> None:
    before = {p: p.stat().st_mtime_ns for p in curated.rglob("*")}
    homing("questions", curated)
    look_at_questions(curated, rejected=True)
    assert {p: p.stat().st_mtime_ns for p in curated.rglob("*")} == before


def test_the_verb_is_in_the_help_and_on_the_page(homing) -> None:
    assert "  questions " in homing("--help").out
    assert "--json" in homing("questions", "--help").out
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    assert "homing questions" in page.read_text(encoding="utf-8")
