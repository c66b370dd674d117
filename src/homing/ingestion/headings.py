"""Which paragraphs of a printed page are headings, and how deep.

A heading is emphasised, short, stands alone and has something to head. Its depth follows from its
looks: larger before smaller, capitals before others, bold before italic. Tables, cover pages and
tables of contents are full of emphasised short lines, so a line is passed over where prose does
not follow it, and so is every long run of candidates but its last line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from homing.ingestion.cleaning import Paragraph
from homing.ingestion.lines import BULLET, TERMINAL
from homing.ingestion.raw import Block

MAX_CHARACTERS = 400
MIN_OUTLINE_SHARE = 0.7
MAX_LABEL = 160
MAX_RUN = 4
"""More emphasised lines than this in a row are a cover page or a table, not headings."""

LARGER = 1.12
"""A font so many times the body's is emphasis by itself."""

LOCAL_CHARACTERS = 1500
"""So much text on a page and its neighbours decides what the body's size is there."""

PART = re.compile(r"part\s+[IVX\d]+\b\.?(?!.*[a-z].*\.$)", re.IGNORECASE)
ITEM = re.compile(r"(?:item|chapter|article|appendix|annex)\s+(?:\d+[a-z]?|[IVX]+|[A-Z])\b", re.I)
NOTE = re.compile(r"(?:note|section|§|exhibit)\s*\d+[a-z]?\b", re.IGNORECASE)
NUMBERED = re.compile(r"(\d+(?:\.\d+)*)\.?\s+\D")
NOT_A_HEADING = re.compile(
    r"[($€£]|\W*$|.*[☐☒☑]|\[|(?:dear|re:|sincerely|very truly|yours)\b"
    r"|(?:the )?(?:fiscal )?(?:years?|(?:three|six|nine|twelve) months|quarters?|weeks?)\b.*"
    r"\bended\b"
    r"|(?:as (?:of|at) )?(?:january|february|march|april|may|june|july|august|september|october"
    r"|november|december)\s+\d"
    r"|(?:[\d$%,.\s—–-]|change|total\b)+$"
    r"|(?:by|name|title|date|signature|page)s?:?$|signatures? title"
    r"|table of contents$|continued|_",
    re.IGNORECASE,
)
UNFINISHED = re.compile(r"(?:[,;–—-]|\b(?:and|or|the|of))$")
UNITS = re.compile(r"\((?:in|amounts?|dollars|\$|unaudited|except)\b", re.IGNORECASE)

CONTENTS_ENTRY = re.compile(r"(?=.*[^\W\d_]{3}).*[^\d\s,$)%—–-]\s+(?:[A-Z]-)?(\d{1,3})")
CONTENTS_LINES = 6
COVER_LINES, COVER_STYLES = 5, 3
ADJACENT_EVIDENCE = 2

Style = tuple[float, ...]
OUTLINE = -1.0
"""First member of a `Style` that a bookmark gave."""

LOOKS = 2.0
"""First member of a `Style` that goes by looks; parts have 0, items and chapters 1."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of a file's own outline; `level` counts from 0, `page` too."""

    title: str
    level: int
    page: int


def mark_headings(
    pages: Sequence[Sequence[Paragraph]], outline: Sequence[Bookmark] = ()
) -> tuple[tuple[Block, ...], ...]:
    """Return the paragraphs as blocks, headings with their level.

    Paragraphs that a bookmark names are headings whatever they look like, above all others.
    """
    paragraphs = [paragraph for page in pages for paragraph in page]
    sizes = _body_sizes(pages)
    styles = [
        style for page, size in zip(pages, sizes, strict=True) for style in _page_styles(page, size)
    ]
    _drop_unfounded(paragraphs, styles)
    for number, level in _named(pages, outline).items():
        styles[number] = (OUTLINE, float(level))
    order = _order(styles)
    levels = _depths([order.index(style) if style else None for style in styles])
    return tuple(tuple(Block(p.text, next(levels), p.glue) for p in page) for page in pages)


def _named(pages: Sequence[Sequence[Paragraph]], outline: Sequence[Bookmark]) -> dict[int, int]:
    """Return the numbers of the paragraphs that bookmarks name, with their levels.

    Nothing where many bookmarks name no paragraph: depths from two sources do not go together.
    """
    firsts = [0, *accumulate(len(page) for page in pages)]
    found: dict[int, int] = {}
    for bookmark in outline:
        page = pages[bookmark.page] if 0 <= bookmark.page < len(pages) else ()
        for i, paragraph in enumerate(page):
            if not paragraph.row and _letters(paragraph.text) == _letters(bookmark.title):
                found.setdefault(firsts[bookmark.page] + i, bookmark.level)
                break
    return found if len(found) >= MIN_OUTLINE_SHARE * len(outline) else {}


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _page_styles(page: Sequence[Paragraph], body: float) -> list[Style | None]:
    """Return the looks of the possible headings of a page; none on covers and in contents lists."""
    styles = [_style(paragraph, body) for paragraph in page]
    centred = {style for p, style in zip(page, styles, strict=True) if style and p.centred}
    n_centred = sum(1 for p, style in zip(page, styles, strict=True) if style and p.centred)
    cover = len(centred) >= COVER_STYLES and n_centred >= COVER_LINES
    if cover:
        return [None] * len(page)
    entries = _contents_entries(page)
    first = entries[0] - 1 if entries else len(page)  # a part of the contents may have a title
    return [None if i >= first else style for i, style in enumerate(styles)]


def _contents_entries(page: Sequence[Paragraph]) -> list[int]:
    """Return the numbers of the paragraphs that are lines of a table of contents, or nothing."""
    numbered = [(i, p.text) for i, p in enumerate(page) if p.text[-1].isdigit()]
    matches = [(i, CONTENTS_ENTRY.fullmatch(text)) for i, text in numbered]
    entries = [(i, int(match[1])) for i, match in matches if match]
    ascending = all(first <= second for (_, first), (_, second) in pairwise(entries))
    return [i for i, _ in entries] if len(entries) >= CONTENTS_LINES and ascending else []


def _order(styles: Sequence[Style | None]) -> list[Style]:
    """Return the looks, the outermost first.

    Where one kind of heading is often directly followed by another, no text between them, the
    first is taken to be above the second, whatever they look like.
    """
    above: Counter[tuple[Style, Style]] = Counter()
    for first, second in pairwise(styles):
        if first and second and first != second:
            above[first, second] += 1
    order = sorted({style for style in styles if style})
    for _ in order:
        for i in range(len(order) - 1):
            upper, lower = order[i], order[i + 1]
            fixed = upper[0] < LOOKS  # parts and chapters stay on top
            if not fixed and above[lower, upper] - above[upper, lower] >= ADJACENT_EVIDENCE:
                order[i], order[i + 1] = lower, upper
    return order


def _depths(ranks: Sequence[int | None]) -> Iterator[int]:
    """Yield for each paragraph 0, or how deep its heading is nested, counted from 1."""
    above: list[int] = []
    for rank in ranks:
        if rank is None:
            yield 0
            continue
        while above and above[-1] >= rank:
            above.pop()
        above.append(rank)
        yield len(above)


def body_size(paragraphs: Iterable[Paragraph]) -> float:
    """Return the font height in which most of the prose is set."""
    sizes = _characters_by_size(paragraphs)
    return sizes.most_common(1)[0][0] if sizes else 1.0


def _body_sizes(pages: Sequence[Sequence[Paragraph]]) -> list[float]:
    """Return the body's font height for each page: an appendix may be set larger."""
    counts = [_characters_by_size(page) for page in pages]
    whole = body_size(paragraph for page in pages for paragraph in page)
    result = []
    for i in range(len(pages)):
        nearby: Counter[float] = Counter()
        for count in counts[max(0, i - 1) : i + 2]:
            nearby.update(count)
        size, n_characters = nearby.most_common(1)[0] if nearby else (whole, 0)
        result.append(size if n_characters >= LOCAL_CHARACTERS else whole)
    return result


def _characters_by_size(paragraphs: Iterable[Paragraph]) -> Counter[float]:
    sizes: Counter[float] = Counter()
    for paragraph in paragraphs:
        if not paragraph.row:
            sizes[round(paragraph.size, 1)] += len(paragraph.text)
    return sizes


def _style(paragraph: Paragraph, body: float) -> Style | None:
    """Return the looks of a possible heading, the outermost sorting first; None for others."""
    text = paragraph.text
    if paragraph.row or paragraph.aside or paragraph.glue in (" ", ""):
        return None
    if len(text) > MAX_CHARACTERS or NOT_A_HEADING.match(text) or sum(map(str.isalpha, text)) < 3:
        return None
    larger = paragraph.size >= LARGER * (body or 1.0)
    numbered = NUMBERED.match(text)
    labelled = text.isupper() and (paragraph.centred or NOTE.match(text) or ITEM.match(text))
    emphasised = larger or paragraph.bold or paragraph.italic or labelled
    if not emphasised or not _reads_as_heading(paragraph):
        return None
    if len(text) < MAX_LABEL and (PART.match(text) or ITEM.match(text)):
        return (0.0,) if PART.match(text) else (1.0,)
    size = -round(paragraph.size / (body or 1.0), 1) if larger else -1.0
    face = 0 if paragraph.bold and not paragraph.italic else 1 if paragraph.bold else 2
    depth = numbered[1].count(".") if numbered else 0
    return (LOOKS, size, not text.isupper(), face, not NOTE.match(text), depth)


def _reads_as_heading(paragraph: Paragraph) -> bool:
    """Return whether the words could be a heading: no list item, no half sentence."""
    text = paragraph.text
    if UNFINISHED.search(text) or text[0].islower():
        return False
    if BULLET.match(text) and not NUMBERED.match(text) and not text[0].isalpha():
        return False
    if paragraph.bold:
        return paragraph.n_lines <= 4
    if paragraph.italic and not text.isupper():
        return paragraph.n_lines == 1 and len(text) <= 90 and not text.endswith(TERMINAL)
    return paragraph.n_lines <= 3 and not text.endswith(TERMINAL)


def _drop_unfounded(paragraphs: Sequence[Paragraph], styles: list[Style | None]) -> None:
    """Take back the style of every candidate that heads nothing, or stands in a long run."""
    run: list[int] = []
    for i in range(len(paragraphs) + 1):
        if i < len(paragraphs) and (styles[i] or UNITS.match(paragraphs[i].text)):
            run.append(i)
            continue
        founded = i < len(paragraphs) and _is_prose(paragraphs[i])
        keep = run if founded and len(run) <= MAX_RUN else run[-1:] if founded else []
        if founded and BULLET.match(paragraphs[i].text):
            keep = [j for j in keep if not paragraphs[j].text.endswith((".", ":"))]
        short = len(run) <= MAX_RUN
        for j in run:
            style = styles[j]
            labelled = style is not None and style[0] < LOOKS
            above_table = not founded and (paragraphs[j].centred or labelled)
            if j not in keep and not (short and above_table):
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
