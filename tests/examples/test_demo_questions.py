"""The demo's questions: as many as are promised, about objects that are there, and no leak."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STDLIB = ROOT / "examples" / "stdlib"
TEST_QUESTIONS = ROOT / "src" / "homing" / "evaluation" / "general" / "python_questions.jsonl"


def rows(name: str) -> list[dict[str, str]]:
    file = STDLIB / "train_questions.jsonl" if name == "train" else TEST_QUESTIONS
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all sections that this Python's documentation has."""
    folder = tmp_path_factory.mktemp("stdlib")
    subprocess.run([sys.executable, str(STDLIB / "export.py"), str(folder)], check=True)
    return {
        line[3:]
        for page in folder.glob("*.md")
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("## ")
    }


def test_there_are_as_many_as_promised() -> None:
    assert len(rows("test")) >= 250
    per_object = Counter(row["object"] for row in rows("train"))
    assert len(per_object) >= 600
    assert set(per_object.values()) == {2}


def test_no_object_is_trained_on_and_tested() -> None:
    assert not {row["object"] for row in rows("test")} & {row["object"] for row in rows("train")}


def test_no_question_is_asked_twice() -> None:
    texts = [" ".join(r["question"].lower().split()) for r in [*rows("test"), *rows("train")]]
    assert [text for text, n in Counter(texts).items() if n > 1] == []


def test_test_questions_do_not_give_the_name_away() -> None:
    named = [r for r in rows("test") if r["object"].lower() in r["question"].lower()]
    assert named == []


def test_nearly_all_objects_are_in_this_python(sections: set[str]) -> None:
    for name in ("test", "train"):
        asked = {row["object"] for row in rows(name)}
        assert len(asked & sections) >= 0.9 * len(asked)
