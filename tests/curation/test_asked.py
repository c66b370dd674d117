"""Question files: JSONL and CSV as people save them, and what is said about those that are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homing.curation.asked import AskedQuestion, read_questions
from homing.errors import UsageError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_jsonl_gives_each_question_with_its_line(tmp_path: Path) -> None:
    rows = [
        {"question": "how long is parental leave?", "document": "leave.md", "quote": "16 weeks"},
        {"question": "who signs?", "heading": ["Lease", "Signature"], "asker": "Kim"},
        {"question": " may I fly?\u2028 ", "passage_id": "ab12", "quote": None},
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path = write(tmp_path / "asked.jsonl", f"{lines[0]}\r\n\r\n{lines[1]}\n{lines[2]}")
    assert read_questions(path) == [
        AskedQuestion("how long is parental leave?", "leave.md", "16 weeks", line=1),
        AskedQuestion("who signs?", heading="Lease > Signature", line=3),
        AskedQuestion("may I fly?", passage_id="ab12", line=4),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_may_come_from_any_spreadsheet(tmp_path: Path, separator: str, encoding: str) -> None:
    rows = [
        ["Question", "Document ", "Quote", "Note"],
        ["wer zahlt Jörgs Reise?", "reise.md", '"Reisen, auch kurze,\nzahlt die Firma"', ""],
        ["", "", "", ""],
        ["may I fly?", "travel.md", "Trains", "urgent"],
    ]
    text = "\r\n".join(separator.join(row) for row in rows)
    assert read_questions(write(tmp_path / "asked.csv", text, encoding)) == [
        AskedQuestion(
            "wer zahlt Jörgs Reise?", "reise.md", "Reisen, auch kurze,\nzahlt die Firma", line=2
        ),
        AskedQuestion("may I fly?", "travel.md", "Trains", line=5),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.jsonl",
            '{"question": "a", "quote": "b"}\n{"question": ',
            "a.jsonl, line 2 is not JSON",
        ),
        ("a.jsonl", '["a"]', "line 1 is not a JSON object"),
        ("a.jsonl", '{"question": "a"}', "line 1 has only: question"),
        ("a.jsonl", '{"query": "a", "quote": "b"}', "line 1 has only: query, quote"),
        ("a.jsonl", '{"question": 7, "quote": "b"}', "line 1: 'question' should be text, not 7"),
        ("a.csv", "question,answer\na,b", "has the columns question, answer"),
        ("a.csv", 'question,quote\na,"b', "is not CSV"),
        ("a.csv", "question,quote\n", "holds no questions"),
        ("a.jsonl", "\n\n", "holds no questions"),
        ("a.txt", "", "has the columns \\(none\\)"),
    ],
)
def test_a_malformed_file_says_where_and_what_is_expected(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        read_questions(write(tmp_path / name, text))


def test_a_file_that_is_missing_or_not_utf8_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="do not exist"):
        read_questions(tmp_path / "gone.csv")
    with pytest.raises(UsageError, match="Save it as UTF-8"):
        read_questions(write(tmp_path / "a.csv", "question,quote\nwer?,Jörg", "latin-1"))
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(tmp_path)
