"""Sentences to passages: as full as may be, cut at the best border, no tiny tail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from homing.ingestion.sentences import Border
from homing.types import Span

TAIL_TOKENS = 48
"""A last passage with fewer tokens than this takes some from the one before it."""

PARAGRAPH_SHARE, LINE_SHARE, SENTENCE_SHARE = 0.6, 0.75, 0.34
"""A passage ends at a border of that kind when it is so full by then, the best kind first."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A unit with its number of tokens."""

    start: int
    end: int
    border: Border
    n_tokens: int


def pack(units: Iterable[Counted], max_tokens: int, max_characters: int) -> Iterator[Span]:
    """Yield the spans of passages, each within both limits, reading units as they are needed.

    Args:
        units: In order; none beyond the limits by itself.
        max_tokens: Of one passage, as the sum over its units.
        max_characters: Of one passage.
    """
    before: list[Counted] = []
    now: list[Counted] = []
    n_tokens = 0
    for unit in units:
        while now and (
            n_tokens + unit.n_tokens > max_tokens or unit.end - now[0].start > max_characters
        ):
            if before:
                yield before[0].start, before[-1].end
            cut = _best_cut(now, max_tokens)
            before, now = now[:cut], now[cut:]
            n_tokens = sum(u.n_tokens for u in now)
        now.append(unit)
        n_tokens += unit.n_tokens
    if before and n_tokens < min(TAIL_TOKENS, max_tokens / 4):
        before, now = split_evenly([*before, *now], max_tokens, max_characters)
    for group in (before, now):
        if group:
            yield group[0].start, group[-1].end


def _best_cut(units: list[Counted], max_tokens: int) -> int:
    """Return how many of the units, which fill a passage, go into it."""
    totals = list(accumulate(unit.n_tokens for unit in units))
    kinds = (
        (Border.PARAGRAPH, PARAGRAPH_SHARE),
        (Border.LINE, LINE_SHARE),
        (Border.SENTENCE, SENTENCE_SHARE),
    )
    for border, share in kinds:
        for cut in range(len(units), 0, -1):
            if totals[cut - 1] < share * max_tokens:
                break
            if units[cut - 1].border >= border:
                return cut
    return len(units)


def split_evenly(
    units: list[Counted], max_tokens: int, max_characters: int
) -> tuple[list[Counted], list[Counted]]:
    """Return two or more units in two groups of about equal size, cut at a good border.

    Both groups are within the limits wherever some cut makes them so.
    """
    totals = list(accumulate(unit.n_tokens for unit in units))
    half = max(totals[-1], 1) / 2

    def badness(cut: int) -> tuple[bool, float]:
        n_left, n_right = totals[cut - 1], totals[-1] - totals[cut - 1]
        longest = max(units[cut - 1].end - units[0].start, units[-1].end - units[cut].start)
        beyond = max(n_left, n_right) > max_tokens or longest > max_characters
        return beyond, abs(n_left - half) / half - 0.15 * units[cut - 1].border

    cut = min(range(1, len(units)), key=badness)
    return units[:cut], units[cut:]
