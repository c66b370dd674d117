"""Printed pages to paragraphs: running heads, hyphenation, wrapped lines, spaces.

Input is what stands on the paper, line by line with its place; output is what the author wrote.
In this order:

1. characters (`characters.py`): ligatures, odd spaces and control characters become plain text;
2. furniture: lines that recur at the edge of nearby pages, and page numbers, are left out;
3. paragraphs: a line is continued by the next where the next word would not have fitted on it;
   table rows and list items stay lines of their own;
4. hyphens at line ends go where the document itself writes the word without one.

Cost: linear in the number of lines, about 20 microseconds each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from homing.ingestion.characters import squash
from homing.ingestion.lines import BULLET, TERMINAL, is_row
from homing.ingestion.raw import Line

EDGE_LINES = 3
"""So many lines at the head and at the foot of a page may be furniture."""

NEARBY_PAGES = 6
RECURRENCES = 3
"""A line is furniture when it recurs on so many of `NEARBY_PAGES` successive pages."""

WIDE_GAP = 1.3
"""Lines further apart than this many usual distances belong to different paragraphs."""

MARGIN_LINES = 8
"""The right margin of a line is read off so many lines before and after it."""

PAGE_NUMBER = re.compile(
    r"(?:page |[-–—|] ?)?(?:[A-Z]-)?(\d{1,4})(?: ?[-–—|]| (?:of|/) \d+)?", re.IGNORECASE
)
FOOTNOTE_MARK = re.compile(r"\(?(?:\d{1,2}|[a-z*†‡])\)?")
NUMBER_AT_END = re.compile(r"(?:(\d{1,4})\s.{1,80}|.{1,80}?\s(\d{1,4}))")
LEADERS = re.compile(r"(?:[.…_] ?){4,}")
LEADER_PAIRS = ("..", ". .", "__", "_ _", "……")
DANGLING = frozenset("of and the to for in on or with by from a an our".split())
PUNCTUATION = ".,;:!?()[]{}\"'“”‘’«»/"
WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines put together, with the looks of the first of them.

    Attributes:
        glue: What stands between the paragraph before and this one, as in `Block`.
        row: It is a row of a table.
        centred: It stands in the middle between the margins, away from both.
        aside: It begins well inside the page, as the heads of a table's columns do.
        n_lines: How many printed lines it had.
    """

    text: str
    glue: str
    size: float
    bold: bool
    italic: bool
    row: bool = False
    centred: bool = False
    aside: bool = False
    n_lines: int = 1


def clean_pages(pages: Sequence[Sequence[Line]]) -> list[list[Paragraph]]:
    """Return the paragraphs of each page; a page's first may continue the page before."""
    plain = [_plain_lines(page) for page in pages]
    return _Joiner(without_furniture(plain)).paragraphs()


def _plain_lines(page: Sequence[Line]) -> list[Line]:
    """Return the lines as plain text; those that are nothing but a rule are left out."""
    lines = []
    usual = median(line.size for line in page) if page else 0.0
    for line in page:
        if line.size < 0.8 * usual and FOOTNOTE_MARK.fullmatch(line.text):
            continue  # torn off the word that it belongs to
        # pdfium gives U+FFFE for a hyphen at which it thinks that a line was broken
        text = line.text.replace("\ufffe", "-")
        text = f"{text[:-1]}-" if text.endswith("\u00ad") else text
        if any(leader in text for leader in LEADER_PAIRS):
            text = LEADERS.sub(" ", text)
        text = squash(text)
        if text:
            lines.append(line if text == line.text else replace(line, text=text))
    return lines


# ------------------------------------------------------------------ running heads and feet


def without_furniture(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Return the pages without running heads, running feet and page numbers.

    Lines are peeled off from the edge inwards, so that only what stands outside of the text can
    go: a line goes when the same line is at the same edge of enough nearby pages, or when it has
    a number in it that counts with the pages.
    """
    kept = [list(page) for page in pages]
    for edge in (max, min):
        for _ in range(EDGE_LINES):
            outermost = [edge(page, key=lambda line: line.base, default=None) for page in kept]
            for number in _recurring(outermost) | _page_numbers(outermost):
                kept[number] = [line for line in kept[number] if line is not outermost[number]]
    return kept


def _recurring(edges: Sequence[Line | None]) -> set[int]:
    """Return the numbers of the pages whose edge line recurs on enough nearby pages."""
    pages_of: dict[str, list[int]] = {}
    for number, line in enumerate(edges):
        if line is not None:
            pages_of.setdefault(line.text.casefold(), []).append(number)
    going: set[int] = set()
    for numbers in pages_of.values():
        for i in range(len(numbers) - RECURRENCES + 1):
            group = numbers[i : i + RECURRENCES]
            if group[-1] - group[0] < NEARBY_PAGES:
                going.update(group)
    return going


def _page_numbers(edges: Sequence[Line | None]) -> set[int]:
    """Return the numbers of the pages whose edge line has a number that counts with the pages.

    The number may stand alone, or before or after words that are the same on a good part of all
    pages. A bold line with words may be the heading of a chapter and stays.
    """
    pages_of: dict[tuple[int, str], list[int]] = {}
    for number, line in enumerate(edges):
        if line is None:
            continue
        alone = PAGE_NUMBER.fullmatch(line.text)
        match = alone or (None if line.bold else NUMBER_AT_END.fullmatch(line.text))
        if match:
            printed = next(group for group in match.groups() if group)
            words = "" if alone else line.text.replace(printed, "")
            pages_of.setdefault((int(printed) - number, words), []).append(number)
    least = {True: RECURRENCES, False: max(RECURRENCES, len(edges) // 8)}
    return {
        number
        for (_, words), numbers in pages_of.items()
        if len(numbers) >= least[not words]
        for number in numbers
    }


# ------------------------------------------------------------------ paragraphs


class _Place(NamedTuple):
    """A line with where it stands."""

    line: Line
    page: Sequence[Line]
    number: int
    row: bool


class _Joiner:
    """Puts lines together, over the ends of pages too."""

    def __init__(self, pages: Sequence[Sequence[Line]]) -> None:
        self.pages = pages
        self.pitch = _usual_pitch(pages)
        self.words: Counter[str] | None = None

    def paragraphs(self) -> list[list[Paragraph]]:
        """Return the paragraphs of each page."""
        done: list[list[Paragraph]] = []
        last: _Place | None = None
        for page in self.pages:
            done.append([])
            left, right = _extent(page)
            rows = [line.tabular or is_row(line.text) for line in page]
            for i, line in enumerate(page):
                turned = i == 0
                if last and not (last.row or rows[i]) and self._continues(last, line, turned):
                    self._append(done, line)
                else:
                    close = last is not None and not turned and self._near(last.line, line)
                    glue = "\n" if close or BULLET.match(line.text) else "\n\n"
                    done[-1].append(_begin(line, glue, rows[i], left, right))
                last = _Place(line, page, i, rows[i])
        return done

    def _near(self, above: Line, below: Line) -> bool:
        return 0 < above.base - below.base <= WIDE_GAP * self.pitch * above.size

    def _continues(self, last: _Place, line: Line, turned: bool) -> bool:
        """Return whether `line` goes on with the sentence or paragraph of the line before."""
        before, small = last.line, line.text[0].islower()
        if BULLET.match(line.text) or not 0.88 < line.size / (before.size or 1.0) < 1.14:
            return False
        if before.bold != line.bold and not small:
            return False
        if turned or before.base <= line.base:  # a new page or column
            ended = before.text.endswith(TERMINAL)
            return not ended and (small or (not line.bold and _is_full(last, line)))
        hangs = before.bold or BULLET.match(before.text)
        indented = line.left > before.left + 0.7 * line.size and not hangs
        return not indented and self._near(before, line) and _is_full(last, line)

    def _append(self, done: list[list[Paragraph]], line: Line) -> None:
        """Add `line` to the last paragraph, or begin a page with the rest of it."""
        home = next(page for page in reversed(done) if page)
        start, glue = self._seam(home[-1].text, line.text)
        if home is done[-1]:
            text = f"{start}{glue}{line.text}"
            home[-1] = replace(home[-1], text=text, n_lines=home[-1].n_lines + 1)
        else:
            home[-1] = replace(home[-1], text=start)
            done[-1].append(_begin(line, glue, False, line.left, line.right))

    def _seam(self, start: str, rest: str) -> tuple[str, str]:
        """Return `start` without a hyphen that only broke the line, and the glue to `rest`."""
        if not start.endswith(("-", "\u2010")) or not start[-2:-1].isalnum():
            return start, " "
        head, tail = WORD.findall(start[-60:-1])[-1:], WORD.match(rest)
        if not rest[0].islower() or not head or not tail:
            return start, ""
        if self.words is None:
            self.words = _count_words(self.pages)
        left, right = head[0].lower(), tail[0]
        n_whole, n_hyphened = self.words[left + right], self.words[f"{left}-{right}"]
        if n_whole or n_hyphened:
            return (start[:-1] if n_whole > n_hyphened else start), ""
        compound = "-" in left or (len(left) > 2 and self.words[left] and self.words[right])
        return (start if compound else start[:-1]), ""


def _count_words(pages: Sequence[Sequence[Line]]) -> Counter[str]:
    """Return how often each word occurs, hyphened ones whole, broken ones left out."""
    words = " ".join(line.text for page in pages for line in page).lower().split()
    return Counter(word.strip(PUNCTUATION) for word in words)


def _begin(line: Line, glue: str, row: bool, left: float, right: float) -> Paragraph:
    """Return the paragraph that `line` opens on a page whose text goes from `left` to `right`."""
    inset = line.left > left + 0.12 * (right - left)
    centred = inset and abs(line.left + line.right - left - right) < 2 * line.size
    aside = inset and not centred
    return Paragraph(line.text, glue, line.size, line.bold, line.italic, row, centred, aside)


def _usual_pitch(pages: Sequence[Sequence[Line]]) -> float:
    """Return the usual distance between base lines, as a multiple of the font's height."""
    gaps = Counter(
        round((above.base - below.base) / above.size, 1)
        for page in pages
        for above, below in pairwise(page)
        if above.size and 0.7 * above.size < above.base - below.base < 2.6 * above.size
    )
    return gaps.most_common(1)[0][0] if gaps else 1.2


def _extent(page: Sequence[Line]) -> tuple[float, float]:
    """Return where the text of a page begins and ends, from left to right."""
    if not page:
        return 0.0, 0.0
    return min(line.left for line in page), max(line.right for line in page)


def _is_full(last: _Place, line: Line) -> bool:
    """Return whether the first word of `line` would not have fitted on the line before."""
    if last.line.text.rsplit(" ", 1)[-1].lower() in DANGLING:
        return True
    share = len(line.text.split(" ", 1)[0]) / len(line.text)
    return last.line.right + share * (line.right - line.left) > _right_margin(last)


def _right_margin(place: _Place) -> float:
    """Return how far right the text of a line's column goes."""
    line, page, i, _ = place
    around = page[max(0, i - MARGIN_LINES) : i + MARGIN_LINES + 1]
    left, right = line.left, line.right
    return max([o.right for o in around if o.left < right and o.right > left], default=right)
