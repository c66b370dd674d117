"""Where a text may be cut: after paragraphs, lines and sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof sr jr st no nos vs etc inc ltd co corp llc plc al fig figs eq sec ch vol "
    "pp ed eds approx dept est e.g i.e cf ca viz bzw z.b d.h u.a usw nr abs bd art p.ex ej sig"
    .split()
)  # fmt: skip
BORDER = re.compile(
    r"(?P<lines>\n\s*)"
    r"|[.!?…][\"'”’»)\]]{0,3}(?P<space>[ \t]+)(?=[\"'“‘«(\[]{0,2}[^\W_a-z]|[•●▪■])"
    r"|[。！？；][”’」』）]{0,2}\s*"
)
"""Every alternative begins with a character of its own, which makes the search fast."""


class Border(IntEnum):
    """How good a place for a cut is."""

    WORD = 0
    SENTENCE = 1
    LINE = 2
    PARAGRAPH = 3


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of text that is not cut if it can be helped; `border` is what follows it."""

    start: int
    end: int
    border: Border


def find_units(text: str, start: int, end: int) -> Iterator[Unit]:
    """Yield the sentences and lines of `text[start:end]`, without the white space around them."""
    position = start
    while position < end and text[position].isspace():
        position += 1
    for match in BORDER.finditer(text, position, end):
        border = _border(text, match)
        if border is None:
            continue
        stop = match.start() if match["lines"] else match.end()
        while stop > position and text[stop - 1].isspace():
            stop -= 1
        if stop > position:
            yield Unit(position, stop, border)
        position = match.end()
    stop = end
    while stop > position and text[stop - 1].isspace():
        stop -= 1
    if stop > position:
        yield Unit(position, stop, Border.PARAGRAPH)


def _border(text: str, match: re.Match[str]) -> Border | None:
    """Return what kind of border a match is; None for the full stop of an abbreviation."""
    if match["lines"]:
        return Border.PARAGRAPH if match["lines"].count("\n") > 1 else Border.LINE
    if not match["space"] or text[match.start()] != "." or match.end() - match.start() > 2:
        return Border.SENTENCE
    words = text[max(0, match.start() - 12) : match.start()].split()
    word = words[-1].lstrip("(\"'“[").lower() if words else ""
    one_letter = len(word) == 1 and word.isalpha()
    return None if word in ABBREVIATIONS or one_letter or word == "u.s" else Border.SENTENCE
