"""Estimates beside true counts, which tiktoken 0.14 made with o200k_base."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homing.llm.tokens import estimate_tokens

HANDBOOK = (
    "Parents may take sixteen weeks of paid leave, beginning on the day of birth. Requests go to "
    "the personnel office (room 2.14) at least 30 days before the leave begins."
)
GERMAN = (
    "Die Elternzeit beginnt mit dem Tag der Geburt und dauert höchstens drei Jahre; der Antrag "
    "ist sieben Wochen vorher schriftlich bei der Personalabteilung einzureichen."
)
CHINESE = "租户应保持房屋处于良好状态，并在搬离前三十天书面通知房东。押金在检查之后十四天内退还。"
CODE = '''\
def read(path: Path) -> list[str]:
    """Return the lines of a file."""
    with path.open(encoding="utf-8") as file:
        return [line.rstrip("\\n") for line in file if line.strip()]
'''


@pytest.mark.parametrize(
    ("text", "true"), [(HANDBOOK, 39), (GERMAN, 33), (CHINESE, 35), (CODE, 49)]
)
def test_a_passage_is_estimated_within_a_sixth(text: str, true: int) -> None:
    assert abs(estimate_tokens(text) - true) <= true / 6


def test_no_text_has_no_tokens_and_any_text_has_one() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("a") == 1
    assert estimate_tokens(" ") == 1
    assert estimate_tokens("\n\n\n") == 1


@pytest.mark.parametrize(("language", "true"), [("en", 38_742), ("de", 49_573), ("zh", 46_394)])
def test_articles_are_estimated_within_seven_percent_in_sum(
    shared_data: Path, language: str, true: int
) -> None:
    data = json.loads((shared_data / "xquad" / f"xquad.{language}.json").read_text("utf-8"))
    texts = [p["context"] for article in data["data"] for p in article["paragraphs"]]
    assert abs(sum(map(estimate_tokens, texts)) / true - 1) < 0.07


def test_walls_of_one_character_are_counted_at_once() -> None:
    for wall in (
        "a" * 50_000,
        "A" * 50_000,
        " " * 50_000,
        "é" * 50_000,
        "=" * 50_000,
        "1" * 50_000,
    ):
        assert estimate_tokens(wall) >= 1
        assert estimate_tokens(wall + "x\n") >= 1


@pytest.mark.parametrize(
    "text", ["\u0e01\u0e34", "क्या", "👩‍👩‍👧", "²³", "_", "__init__", "“”", "\ud800"]
)
def test_any_characters_can_be_counted(text: str) -> None:
    assert estimate_tokens(text) >= 1
