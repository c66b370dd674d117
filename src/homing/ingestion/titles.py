"""The title of a document: which ones in files' metadata are none, and what a page prints large."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homing.ingestion.cleaning import Paragraph

MUCH_LARGER = 1.35
MAX_PRINTED = 150

MIN_LETTER_SHARE = 0.55
NO_TITLE = re.compile(
    r"(?:untitled|unbenannt|sans titre|title|document|presentation|slide|microsoft word|layout"
    r"|about:blank|new document|no title)\b[\s\d]*$"
    r"|microsoft (?:word|powerpoint|excel) -"
    r"|.*\.(?:docx?|pdf|pptx?|xlsx?|indd|tex|dvi|ps|html?|txt|qxd|odt|rtf|md)$"
    r"|https?:|file:|[a-z]:\\|/",
    re.IGNORECASE,
)


def is_sensible_title(title: str) -> bool:
    """Return whether a stated title says something: no file name, no number, no placeholder."""
    title = " ".join(title.split())
    letters = sum(map(str.isalpha, title))
    if letters < 3 or letters < MIN_LETTER_SHARE * len(title.replace(" ", "")):
        return False
    return len(title) <= 300 and not NO_TITLE.match(title)


def printed_title(page: Sequence[Paragraph], body: float) -> str:
    """Return what a first page prints much larger than all else on it, or "".

    Args:
        page: Its paragraphs.
        body: The font height in which most of the document is set.
    """
    largest = max((paragraph.size for paragraph in page), default=0.0)
    lines = [paragraph.text for paragraph in page if paragraph.size > 0.97 * largest]
    title = " ".join(lines)
    sensible = len(title) <= MAX_PRINTED and len(lines) <= 3 and is_sensible_title(title)
    return title if sensible and largest >= MUCH_LARGER * body else ""
