"""Which paragraphs of a printed page are headings, and how deep.

A heading is emphasised, short, stands alone and has something to head. Its depth follows from its
looks: larger before smaller, capitals before others, bold before italic. Tables, cover pages and
tables of contents are full of emphasised short lines, so a line is passed over where prose does
not follow it, and so is every long run of candidates but its last line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from homing.ingestion.cleaning import BULLET, TERMINAL, Paragraph
from homing.ingestion.raw import Block

MAX_CHARACTERS = 280
MAX_RUN = 4
"""More emphasised lines than this in a row are a cover page or a table, not headings."""

LARGER = 1.12
"""A font so many times the body's is emphasis by itself."""

PART = re.compile(r"part\s+[IVX\d]+\b\.?(?!.*[a-z].*\.$)", re.IGNORECASE)
ITEM = re.compile(r"(?:item|chapter|article|appendix|annex)\s+(?:\d+[a-z]?|[IVX]+|[A-Z])\b", re.I)
NOTE = re.compile(r"(?:note|section|§|exhibit)\s*\d+[a-z]?\b", re.IGNORECASE)
NUMBERED = re.compile(r"(\d+(?:\.\d+)*)\.?\s+\D")
NOT_A_HEADING = re.compile(
    r"\(|\W*$"
    r"|(?:the )?(?:fiscal )?(?:years?|(?:three|six|nine|twelve) months|quarters?|weeks?)\b.*"
    r"\bended\b"
    r"|(?:as (?:of|at) )?(?:january|february|march|april|may|june|july|august|september|october"
    r"|november|december)\s+\d"
    r"|(?:[\d$%,.\s—–-]|change|total\b)+$"
    r"|(?:by|name|title|date|signature|page)s?:?$"
    r"|table of contents$|continued|_",
    re.IGNORECASE,
)
UNITS = re.compile(r"\((?:in|amounts?|dollars|\$|unaudited|except)\b", re.IGNORECASE)

Style = tuple[float, ...]


def mark_headings(pages: Sequence[Sequence[Paragraph]]) -> tuple[tuple[Block, ...], ...]:
    """Return the paragraphs as blocks, headings with their level."""
    paragraphs = [paragraph for page in pages for paragraph in page]
    body = _body_size(paragraphs)
    styles = [_style(paragraph, body) for paragraph in paragraphs]
    _drop_unfounded(paragraphs, styles)
    ranks = {style: rank for rank, style in enumerate(sorted({s for s in styles if s}), start=1)}
    levels = iter(ranks[style] if style else 0 for style in styles)
    return tuple(tuple(Block(p.text, next(levels), p.glue) for p in page) for page in pages)


def _body_size(paragraphs: Sequence[Paragraph]) -> float:
    """Return the font height in which most of the prose is set."""
    sizes: Counter[float] = Counter()
    for paragraph in paragraphs:
        if not paragraph.row:
            sizes[round(paragraph.size, 1)] += len(paragraph.text)
    return sizes.most_common(1)[0][0] if sizes else 1.0


def _style(paragraph: Paragraph, body: float) -> Style | None:
    """Return the looks of a possible heading, the outermost sorting first; None for others."""
    text = paragraph.text
    if paragraph.row or paragraph.aside or paragraph.glue in (" ", ""):
        return None
    if len(text) > MAX_CHARACTERS or NOT_A_HEADING.match(text) or sum(map(str.isalpha, text)) < 3:
        return None
    larger = paragraph.size >= LARGER * (body or 1.0)
    numbered = NUMBERED.match(text)
    if not (larger or paragraph.bold or paragraph.italic) or not _reads_as_heading(paragraph):
        return None
    kind = 0 if PART.match(text) else 1 if ITEM.match(text) else 2
    if kind < 2 and len(text) < 120:
        return (float(kind),)
    size = -round(paragraph.size / (body or 1.0), 1) if larger else -1.0
    face = 0 if paragraph.bold and not paragraph.italic else 1 if paragraph.bold else 2
    depth = numbered[1].count(".") if numbered else 0
    return (2.0, size, not text.isupper(), face, not NOTE.match(text), depth)


def _reads_as_heading(paragraph: Paragraph) -> bool:
    """Return whether the words could be a heading: no list item, no half sentence."""
    text = paragraph.text
    if text.endswith((",", ";", "and", "or", "-", "–", "—")) or text[0].islower():
        return False
    if BULLET.match(text) and not NUMBERED.match(text) and not text[0].isalpha():
        return False
    if paragraph.bold:
        return paragraph.n_lines <= 4
    if paragraph.italic:
        return paragraph.n_lines == 1 and len(text) <= 90 and not text.endswith(TERMINAL)
    return paragraph.n_lines <= 3


def _drop_unfounded(paragraphs: Sequence[Paragraph], styles: list[Style | None]) -> None:
    """Take back the style of every candidate that heads nothing, or stands in a long run."""
    run: list[int] = []
    for i in range(len(paragraphs) + 1):
        if i < len(paragraphs) and (styles[i] or UNITS.match(paragraphs[i].text)):
            run.append(i)
            continue
        founded = i < len(paragraphs) and _is_prose(paragraphs[i])
        keep = run if founded and len(run) <= MAX_RUN else run[-1:] if founded else []
        table = not founded and len(run) <= MAX_RUN
        for j in run:
            if j not in keep and not (table and paragraphs[j].centred):
                styles[j] = None
        run = []


def _is_prose(paragraph: Paragraph) -> bool:
    """Return whether a paragraph is text that can stand under a heading."""
    if paragraph.row or paragraph.aside:
        return False
    text = paragraph.text
    return (
        paragraph.n_lines > 1
        or len(text) >= 80
        or text.endswith(TERMINAL)
        or BULLET.match(text) is not None
    )
