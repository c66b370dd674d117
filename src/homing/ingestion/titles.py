"""Which titles in files' metadata are titles."""

from __future__ import annotations

import re

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
