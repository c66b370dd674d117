"""Text on a terminal: cut to its width, and no text of a document is a command to it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

MIN_WIDTH = 40
MAX_WIDTH = 100
JOINERS = "\u200c\u200d"
"""Part of how Persian, Hindi and emoji are written; all other invisible characters can mislead."""


def wrapped(text: str, width: int, *, most: int | None = None) -> Iterator[str]:
    """Yield a text's lines, at most `width` cells wide each; wide scripts take two cells a letter.

    Args:
        most: So many lines at most; the last then ends in " …".
    """
    from rich.text import Text

    shown = Text(printable(text))
    lines = [line.plain.rstrip() for line in shown.wrap(_console(), width)]
    if most is None or len(lines) <= most:
        yield from lines
        return
    yield from lines[: most - 1]
    last = Text(lines[most - 1])
    last.truncate(width - 2)
    yield f"{last.plain.rstrip()} …"


def printable(text: str) -> str:
    """Return a text as one line that no terminal takes for a command.

    Control characters become U+FFFD; invisible ones, which can turn or hide what follows, go.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    return "".join(map(_printable, " ".join(text.split())))


def terminal_width() -> int:
    """Return how many cells a line may take: 80 where there is no terminal."""
    import shutil

    return max(MIN_WIDTH, min(shutil.get_terminal_size((80, 24)).columns, MAX_WIDTH))


@cache
def _console() -> Any:
    """Return what rich asks for besides the text; making one takes longer than using it."""
    from rich.console import Console

    return Console()


def _printable(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Cs"):
        return "\ufffd"
    if category in ("Zl", "Zp"):
        return " "
    return "" if category == "Cf" and character not in JOINERS else character
