"""Sections of a document: the stretches between headings, tiny ones put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from homing.types import Document, Heading

TINY_TOKENS = 24
"""A section with fewer tokens than this joins the next, unless it says a whole sentence."""

SENTENCE_WORDS = 8

FOREWORD = -1
"""Stands for the missing heading of the text before the first one."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text under one heading path.

    Attributes:
        path: Document title, then headings from the outermost in.
        start: Where the text begins; the line of its own heading is left out.
        end: Where it ends.
        heading: Number of its heading in the document.
        parent: Number of the heading above that one.
    """

    path: tuple[str, ...]
    start: int
    end: int
    heading: int
    parent: int


def find_sections(
    document: Document, max_tokens: int, count_tokens: Callable[[str], int]
) -> list[Section]:
    """Return the sections with text, in order; they do not overlap.

    A tiny section joins a tiny one that follows it, its sibling or its own first subsection, as
    long as they fit into one passage. The joint section goes by the path that they have in common,
    and the headings that are not in it stay in the text. A section that says something is never
    joined: it would no longer be found under its own heading.
    """
    joined: list[Section] = []
    tiny_follows = False
    for section in reversed(_plain_sections(document)):
        body = document.text[section.start : section.end].strip()
        tiny = _is_tiny(body, count_tokens)
        both = _join(document, section, joined[-1]) if tiny and tiny_follows else None
        if both and _fits(document.text[both.start : both.end], max_tokens, count_tokens):
            joined[-1] = both
        elif body:
            joined.append(section)
            tiny_follows = tiny
    return joined[::-1]


def _plain_sections(document: Document) -> list[Section]:
    """Return one section for the text before the first heading and one for each heading."""
    headings = document.headings
    bounds = [*(heading.start for heading in headings), len(document.text)]
    sections = [Section(_path(document, []), 0, bounds[0], FOREWORD, FOREWORD)]
    above: list[int] = []
    for number, heading in enumerate(headings):
        while above and headings[above[-1]].level >= heading.level:
            above.pop()
        parent = above[-1] if above else FOREWORD
        above.append(number)
        path = _path(document, [headings[i] for i in above])
        sections.append(Section(path, heading.end, bounds[number + 1], number, parent))
    return sections


def _path(document: Document, headings: list[Heading]) -> tuple[str, ...]:
    """Return title and headings, equal neighbours once."""
    path: list[str] = []
    for name in (document.title, *(heading.title for heading in headings)):
        if name and (not path or path[-1].casefold() != name.casefold()):
            path.append(name)
    return tuple(path)


def _is_tiny(body: str, count_tokens: Callable[[str], int]) -> bool:
    words = body[: TINY_TOKENS * 16].split()
    if len(words) >= TINY_TOKENS or len(body) > TINY_TOKENS * 12:
        return False
    n_running = sum(word.islower() for word in words)
    if len(words) >= SENTENCE_WORDS and n_running >= len(words) / 2:
        return False  # a sentence, no list of figures or names
    return count_tokens(body) < TINY_TOKENS


def _join(document: Document, section: Section, following: Section) -> Section | None:
    """Return both as one, or None where the second is neither sibling nor child of the first."""
    if section.heading == FOREWORD:
        return None
    end, heading, parent = following.end, section.heading, section.parent
    if following.parent == heading:
        if not document.text[section.start : section.end].strip():
            return None  # the child's path names this heading already
        return Section(section.path, section.start, end, heading, parent)
    if following.parent == parent:
        above = _headings_above(document, parent)
        outer = document.headings[heading].start
        return Section(_path(document, above), outer, end, heading, parent)
    return None


def _headings_above(document: Document, number: int) -> list[Heading]:
    """Return the heading of that number and those that it stands under, the outermost first."""
    path: list[Heading] = []
    for heading in document.headings[number::-1] if number != FOREWORD else ():
        if not path or heading.level < path[-1].level:
            path.append(heading)
    return path[::-1]


def _fits(text: str, max_tokens: int, count_tokens: Callable[[str], int]) -> bool:
    return len(text) <= 12 * max_tokens and count_tokens(text.strip()) <= max_tokens
