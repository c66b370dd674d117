"""A section's heading as the question that the section answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homing.writing.sentences import words
from homing.writing.vocabulary import FUNCTION_WORDS

_NUMBERING = re.compile(
    r"^(?:(?:item|part|section|chapter|note|article|appendix|teil|kapitel|abschnitt)\s+)?"
    r"(?:\d+(?:\.\d+)+[.:)]?(?=\s)|\(?(?:\d+[A-Za-z]?|[IVXLC]+|[A-Za-z])[.):])\s*[-–—:.]*\s*",
    re.IGNORECASE,
)
GENERIC = frozenset(
    "overview introduction summary general notes note example examples details background "
    "description conclusion remarks usage contents other miscellaneous".split()
)
MAX_WORDS = 24


def heading_question(path: Sequence[str]) -> str:
    """Return the words of the last heading, with its parent's where it says nothing by itself.

    Returns "" where the path has no heading that could be asked for: names of code, such as
    `os.path.commonprefix`, are none (asking for them made models worse, see docs/experiments.md).
    Numbers in front ("Item 1A.", "3.2") are dropped.
    """
    if not path or is_code(path[-1]):
        return ""
    titles = [readable(title) for title in path if not is_code(title)]
    titles = [title for title in titles if content_of(title)]
    if not titles:
        return ""
    last = titles[-1]
    if len(titles) > 1 and (content_of(last) <= GENERIC or len(content_of(last)) < 2):
        last = f"{titles[-2]} {last}"
    if len(content_of(last)) < 2 and not last.endswith("?"):
        return ""
    return " ".join(last.split()[:MAX_WORDS])


def is_code(title: str) -> bool:
    """Tell whether a heading is the name of something in a program."""
    text = title.strip().strip("`")
    return bool(re.fullmatch(r"[\w.:/\-]+(?:\(.*\))?", text)) and bool(
        re.search(r"[._/:(]|[a-z][A-Z]", text)
    )


def readable(title: str) -> str:
    """Return a heading without its numbering."""
    return _NUMBERING.sub("", title.strip()).strip(" .:–—-")


def content_of(title: str) -> frozenset[str]:
    """Return the words of a heading that are not grammar."""
    return frozenset(w for w in words(title) if w not in FUNCTION_WORDS and not w.isdigit())
