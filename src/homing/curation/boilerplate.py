"""Passages that no question should be written about; they stay in the corpus all the same.

Precision comes first: a passage is boilerplate only where its form leaves no doubt, so that a
table, a checklist or a definition is not lost. Tuned by eye on annual and quarterly reports and on
reference pages.
"""

from __future__ import annotations

import re
from itertools import pairwise

from homing.types import Passage
from homing.words import words_of

MIN_WORDS = 4
MIN_ENTRIES = 5
PAGE = re.compile(r"[\s.·…_](\d{1,4})$")
FIGURE = re.compile(r"(?:\d[)%]?|[$€£—–-])[\s.·…_]*$")
LEADER = re.compile(r"(?:\.\s?){4,}|…{2,}|(?:·\s?){4,}|_{6,}\s*\d")
SIGNED = re.compile(r"/[sS]/")
SIGNING_LINE = re.compile(r"^(?:by|name|title|date|signature|signed|its)\s*:?[\s_]*$|_{8,}", re.I)
CHECK_BOXES = re.compile(r"\b(?:yes|no)\s*[☐☒☑□■¨]|[☐☒☑□■¨]\s*(?:yes|no)\b", re.I)
FURNITURE = re.compile(
    r"intentionally\s+(?:left\s+)?blank|\ball rights reserved\b|^\W*(?:©|copyright\b)|"
    r"\bskip to (?:main )?content\b|\baccept (?:all )?cookies\b",
    re.I,
)
MAX_FURNITURE_WORDS = 20
MAX_NUMBERS = 0.6
MAX_WORDS_PER_MARK = 30


def boilerplate_reason(passage: Passage) -> str:
    """Return why no question should be written about a passage, or "" where one may be.

    One of "too_short", "table_of_contents", "signatures", "page_furniture", "mostly_numbers".
    """
    text = passage.text
    words = words_of(text)
    if len(words) < MIN_WORDS:
        return "too_short"
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if _is_contents(lines):
        return "table_of_contents"
    if _is_signatures(text, lines, len(words)):
        return "signatures"
    if len(words) <= MAX_FURNITURE_WORDS and FURNITURE.search(text):
        return "page_furniture"
    n_boxes = len(CHECK_BOXES.findall(text))
    if n_boxes >= 3 and len(words) < MAX_WORDS_PER_MARK * n_boxes:
        return "page_furniture"
    if _share_of_numbers(text) >= MAX_NUMBERS:
        return "mostly_numbers"
    return ""


def _is_contents(lines: list[str]) -> bool:
    """Tell whether most of the text is lines that end with page numbers, which rise."""
    found = [(line, match) for line in lines if (match := PAGE.search(line))]
    entries = [(line[: m.start()], int(m[1])) for line, m in found]
    entries = [(label, page) for label, page in entries if any(map(str.isalpha, label))]
    n_characters = sum(map(len, lines))
    if len(entries) < MIN_ENTRIES or sum(len(e[0]) for e in entries) < 0.55 * n_characters:
        return False
    if sum(bool(LEADER.search(line)) for line in lines) >= 0.5 * len(lines):
        return True
    # A row of a table mostly has figures in its other columns too; an entry has words.
    n_plain = sum(not FIGURE.search(label) for label, _ in entries)
    n_rising = sum(a[1] <= b[1] for a, b in pairwise(entries))
    return n_plain >= 0.8 * len(entries) and n_rising >= 0.9 * (len(entries) - 1)


def _is_signatures(text: str, lines: list[str], n_words: int) -> bool:
    n_signed = len(SIGNED.findall(text))
    n_lines = sum(bool(SIGNING_LINE.search(line)) for line in lines)
    n_all = n_signed + n_lines
    return (n_all >= 3 and n_words < MAX_WORDS_PER_MARK * n_all) or (
        n_signed >= 1 and n_words < 2 * MAX_WORDS_PER_MARK
    )


def _share_of_numbers(text: str) -> float:
    tokens = text.split()
    return sum(not any(map(str.isalpha, token)) for token in tokens) / max(len(tokens), 1)
