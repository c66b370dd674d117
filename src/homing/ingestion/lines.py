"""What the words of a printed line tell: list item, table row, end of a sentence."""

from __future__ import annotations

import re

BULLET = re.compile(
    r"(?:[•●▪■◦○‣⁃∙·◆➢✓\uf0b7\uf0a7–—-]|\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)])(?:\s|$)"
)
NUMBER_CELL = re.compile(
    r"[($€£¥+−–-]*\d(?:[\d.,]*\d)?[)%]*|[—–-]+|[$€£¥%)]+|N/?A|\*+|NM|(?:years?|months?|days?)"
)
TERMINAL = (".", "!", "?", ":", ";", ".”", '."', ".)", "?”", "。", "！", "？")


def is_row(text: str) -> bool:
    """Return whether a line reads like a row of a table: it ends in figures."""
    cells = text.split()
    n_ending = 0
    while n_ending < len(cells) and NUMBER_CELL.fullmatch(cells[-1 - n_ending]):
        n_ending += 1
    return n_ending >= 2 or n_ending == len(cells)
