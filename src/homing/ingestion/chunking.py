"""Documents to passages: token-exact, at section and sentence borders, with exact offsets.

A section is tokenized once, in windows; passages are then packed from sentences by counting
tokens, so the cost is one pass of the tokenizer over the text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from homing.ingestion.packing import Counted, pack, split_evenly
from homing.ingestion.sections import Section, find_sections
from homing.ingestion.sentences import Border, Unit, find_units
from homing.types import Document, Passage, Span, content_id

CHARACTERS_PER_TOKEN = 24
"""Text with fewer tokens than this (one endless word is one unknown token) is cut by length."""

WINDOW_CHARACTERS = 20_000
"""So much text goes to the tokenizer at once, so that memory stays flat."""

WORD_SEARCH_TOKENS = 24
"""So far back from the limit a cut looks for the beginning of a word."""


class Chunker:
    """Cuts documents into passages of at most `max_tokens` tokens of one tokenizer.

    Tokens are counted without the special ones that a model adds around them, and without the
    title. Cheap to make and to send to another process: the tokenizer is loaded when it is used.

    Args:
        tokenizer_file: A `tokenizer.json`.
        max_tokens: At least 16.
    """

    def __init__(self, tokenizer_file: Path, max_tokens: int = 256) -> None:
        if max_tokens < 16:
            raise ValueError(f"max_tokens must be at least 16, not {max_tokens}")
        self.tokenizer_file = Path(tokenizer_file)
        self.max_tokens = max_tokens

    def __reduce__(self) -> tuple[type[Chunker], tuple[Path, int]]:
        return Chunker, (self.tokenizer_file, self.max_tokens)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.tokenizer_file))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _splits_at_spaces(self) -> bool:
        """Whether a text cut at white space has the tokens of its parts, put together."""
        return type(self._tokenizer.pre_tokenizer).__name__ == "BertPreTokenizer"

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text`, without special ones."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def chunk(self, document: Document) -> list[Passage]:
        """Return the passages of a document in the order of its text.

        No passage is empty, begins or ends with white space, or crosses the border of a section,
        except that sections of a few words are put together with what follows. The lines of the
        headings that make up a passage's heading path are not part of its text.
        """
        passages: list[Passage] = []
        seen: Counter[tuple[str, ...]] = Counter()
        for section in find_sections(document, self.max_tokens, self.count_tokens):
            for start, end in self._spans(document.text, section):
                text = document.text[start:end]
                key = (*section.path, text)
                passages.append(_passage(document, section, start, end, seen[key]))
                seen[key] += 1
        return passages

    def _spans(self, text: str, section: Section) -> Iterator[Span]:
        """Yield the spans of the passages of one section."""
        units = find_units(text, section.start, section.end)
        counted = chain.from_iterable(self._counted(text, window) for window in _windows(units))
        for start, end in pack(counted, self.max_tokens, self._max_characters):
            at_spaces = not text[start - 1 : start].strip() and not text[end : end + 1].strip()
            if self._splits_at_spaces and at_spaces:
                yield start, end
            else:
                yield from self._within_limit(text, start, end)

    @property
    def _max_characters(self) -> int:
        return self.max_tokens * CHARACTERS_PER_TOKEN

    def _counted(self, text: str, units: Sequence[Unit]) -> Iterator[Counted]:
        """Yield units with their tokens counted, those beyond a limit in pieces."""
        origin = units[0].start
        encoding = self._tokenizer.encode(text[origin : units[-1].end], add_special_tokens=False)
        starts = [origin + start for start, _ in encoding.offsets]
        for unit in units:
            first = bisect_left(starts, unit.start)
            last = bisect_left(starts, unit.end)
            if last - first <= self.max_tokens and unit.end - unit.start <= self._max_characters:
                yield Counted(unit.start, unit.end, unit.border, last - first)
            else:
                yield from self._pieces(text, unit, starts[first:last])

    def _pieces(self, text: str, unit: Unit, token_starts: Sequence[int]) -> Iterator[Counted]:
        """Yield a long unit in pieces within the limits, cut between words where there are any."""
        start, first = unit.start, 0
        while start < unit.end:
            last = min(first + self.max_tokens, len(token_starts))
            end = unit.end
            if last < len(token_starts):
                end, last = _word_border(text, token_starts, first, last)
            if not 0 < end - start <= self._max_characters:
                end = min(start + self._max_characters, unit.end)
                last = bisect_left(token_starts, end)
            border = unit.border if end == unit.end else Border.WORD
            inner = _stripped(text, start, end)
            if inner:
                yield Counted(*inner, border, last - first)
            start, first = end, last

    def _within_limit(self, text: str, start: int, end: int) -> Iterator[Span]:
        """Yield one span, or parts of it where the tokenizer counts too many for the whole."""
        if end - start < 2 or self.count_tokens(text[start:end]) <= self.max_tokens:
            yield start, end
            return
        units = [
            Counted(u.start, u.end, u.border, self.count_tokens(text[u.start : u.end]))
            for u in find_units(text, start, end)
        ]
        if len(units) > 1:
            left, right = split_evenly(units, self.max_tokens, self._max_characters)
            yield from self._within_limit(text, left[0].start, left[-1].end)
            yield from self._within_limit(text, right[0].start, right[-1].end)
            return
        middle = (start + end) // 2
        space = max(text.rfind(space, start + 1, middle) for space in " \n\t")
        middle = space if space > start else middle
        for part in (_stripped(text, start, middle), _stripped(text, middle, end)):
            if part:
                yield from self._within_limit(text, *part)


def _stripped(text: str, start: int, end: int) -> Span | None:
    """Return the span without the white space at its ends; None when there is nothing else."""
    part = text[start:end]
    inner = part.strip()
    if not inner:
        return None
    start += len(part) - len(part.lstrip())
    return start, start + len(inner)


def _windows(units: Iterable[Unit]) -> Iterator[list[Unit]]:
    """Yield successive units in groups of limited length; endless units are cut by length."""
    window: list[Unit] = []
    for unit in chain.from_iterable(map(_by_length, units)):
        if window and unit.end - window[0].start > WINDOW_CHARACTERS:
            yield window
            window = []
        window.append(unit)
    if window:
        yield window


def _by_length(unit: Unit) -> Iterator[Unit]:
    for start in range(unit.start, unit.end, WINDOW_CHARACTERS):
        end = min(start + WINDOW_CHARACTERS, unit.end)
        yield Unit(start, end, unit.border if end == unit.end else Border.WORD)


def _word_border(text: str, token_starts: Sequence[int], first: int, last: int) -> tuple[int, int]:
    """Return where to cut before token `last`, or a little earlier where a word begins."""
    for i in range(last, max(first + 1, last - WORD_SEARCH_TOKENS), -1):
        if text[token_starts[i] - 1].isspace():
            return token_starts[i], i
    return token_starts[last], last


def _passage(
    document: Document, section: Section, start: int, end: int, occurrence: int
) -> Passage:
    text = document.text[start:end]
    page = bisect_right(document.page_starts, start) if document.page_starts else None
    return Passage(
        id=content_id(document.path, *section.path, text, str(occurrence)),
        document_id=document.id,
        start=start,
        end=end,
        text=text,
        heading_path=section.path,
        page=page,
    )
