"""Documents to passages: token-exact, at section and sentence borders, with exact offsets.

Tokens are counted word by word, each word going to the tokenizer once: 2 MB/s and more, and exact
for BERT's tokenizers, which never join what white space parts. For others the finished passages
are counted whole as well, and cut again where they are too long.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from homing.ingestion.packing import Counted, pack, split_evenly
from homing.ingestion.sections import Section, find_sections
from homing.ingestion.sentences import Border, Unit, find_units
from homing.types import Document, Passage, Span, content_id

CHARACTERS_PER_TOKEN = 24
"""Text with fewer tokens than this (one endless word is one unknown token) is cut by length."""

MAX_KNOWN_WORDS = 200_000
SPACE = r" \t\n\r\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
MARK = r"!-/:-@\[-`{-~"
WORD = re.compile(f"[^{SPACE}]+")
"""What stands between white space, as BERT's tokenizers see it."""

WORD_OR_MARK = re.compile(f"[^{SPACE}{MARK}]+|[{MARK}]")
"""BERT's tokenizers part words from punctuation too, and so there are fewer to remember."""

PART_CHARACTERS = 20_000
"""So much text goes to the tokenizer at once."""

WORD_SEARCH_TOKENS = 24
"""So far back from the limit a cut looks for the beginning of a word."""


class Chunker:
    """Cuts documents into passages of at most `max_tokens` tokens of one tokenizer.

    Tokens are counted without the special ones that a model adds around them, and without the
    title. The tokenizer is loaded when it is used. What goes to another process holds all of it
    (some 0.5 MB), so that another machine need not have the file.

    Args:
        tokenizer_file: A `tokenizer.json`.
        max_tokens: At least 16.
    """

    def __init__(self, tokenizer_file: Path, max_tokens: int = 256) -> None:
        if max_tokens < 16:
            raise ValueError(f"max_tokens must be at least 16, not {max_tokens}")
        self.tokenizer_file = Path(tokenizer_file)
        self.max_tokens = max_tokens

    def __getstate__(self) -> dict[str, Any]:
        return {
            "tokenizer_file": self.tokenizer_file,
            "max_tokens": self.max_tokens,
            "_tokenizer_json": self._tokenizer_json,
        }

    @cached_property
    def _tokenizer_json(self) -> str:
        return self.tokenizer_file.read_text(encoding="utf-8")

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self._tokenizer_json)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _tokens_of_words(self) -> dict[str, int]:
        return {}

    @cached_property
    def _parts_words(self) -> bool:
        """Whether a text has the tokens of its words and marks, put together."""
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
        counted = self._counted(text, units)
        for start, end in pack(counted, self.max_tokens, self._max_characters):
            at_spaces = not text[start - 1 : start].strip() and not text[end : end + 1].strip()
            if self._parts_words and at_spaces:
                yield start, end
            else:
                yield from self._within_limit(text, start, end)

    @property
    def _max_characters(self) -> int:
        return self.max_tokens * CHARACTERS_PER_TOKEN

    def _counted(self, text: str, units: Iterable[Unit]) -> Iterator[Counted]:
        """Yield units with their tokens counted, those beyond a limit in pieces."""
        max_characters = self._max_characters
        for unit in units:
            if unit.end - unit.start <= max_characters:
                n_tokens = self._sum_over_words(text[unit.start : unit.end])
                if n_tokens <= self.max_tokens:
                    yield Counted(unit.start, unit.end, unit.border, n_tokens)
                    continue
            for part in _by_length(unit):
                yield from self._pieces(text, part)

    def _sum_over_words(self, text: str) -> int:
        """Return the number of tokens of all words; each word is tokenized once and remembered."""
        words = (WORD_OR_MARK if self._parts_words else WORD).findall(text)
        known = self._tokens_of_words
        try:
            return sum(map(known.__getitem__, words))
        except KeyError:
            if len(known) > MAX_KNOWN_WORDS:
                known.clear()
            known.update((word, self.count_tokens(word)) for word in words if word not in known)
            return sum(map(known.__getitem__, words))

    def _pieces(self, text: str, unit: Unit) -> Iterator[Counted]:
        """Yield a long unit in pieces within the limits, cut between words where there are any."""
        encoding = self._tokenizer.encode(text[unit.start : unit.end], add_special_tokens=False)
        token_starts = [unit.start + start for start, _ in encoding.offsets]
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


def _by_length(unit: Unit) -> Iterator[Unit]:
    """Yield an endless unit in parts of limited length, so that the tokenizer's memory is too."""
    for start in range(unit.start, unit.end, PART_CHARACTERS):
        end = min(start + PART_CHARACTERS, unit.end)
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
