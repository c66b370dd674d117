"""Sentences and words of a passage, with their offsets."""

from __future__ import annotations

import re

from homing.types import Span

WORD = re.compile(r"[^\W_]+(?:['’.\-][^\W_]+)*")
CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_END = re.compile(r"(?<=[.!?])[\"')\]”’]*\s+(?=[\"'(\[“‘]?[A-Z0-9ÄÖÜÉ])|(?<=[。！？])|\n+")
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|e\.g|i\.e|etc|vs|cf|Dr|Mr|Mrs|Ms|Prof|Inc|Corp|Ltd|Co|No|Nos|Fig|Sec|Art|St|"
    r"U\.S|approx|Jan|Feb|Mar|Apr|Aug|Sept|Oct|Nov|Dec|bzw|z\.B|usw|Nr))\.$"
)


def sentence_spans(text: str) -> list[Span]:
    """Return the spans of the sentences, stripped, in order; a line break ends one as well."""
    spans, start = [], 0
    for match in _END.finditer(text):
        if "\n" not in match.group() and _ABBREVIATION.search(text[start : match.start()]):
            continue
        spans.append((start, match.start()))
        start = match.end()
    spans.append((start, len(text)))
    return [stripped for span in spans if (stripped := _strip(text, span))[0] < stripped[1]]


def word_spans(text: str, span: Span) -> list[Span]:
    """Return the spans of the words within `span`; each CJK character counts as a word."""
    spans: list[Span] = []
    for match in WORD.finditer(text, *span):
        if CJK.search(match.group()):
            spans += [(i, i + 1) for i in range(match.start(), match.end())]
        else:
            spans.append(match.span())
    return spans


def words(text: str) -> list[str]:
    """Return the words of `text` in lower case."""
    return [text[a:b].lower() for a, b in word_spans(text, (0, len(text)))]


def _strip(text: str, span: Span) -> Span:
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
