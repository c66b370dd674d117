"""Which known passage a text was cut from, found by the runs of 8 words that both have.

Passages may be cut differently from the known ones, so that neither need contain the other. Cost:
one look-up for each `STRIDE` words of the text; about 100 bytes a word of the known passages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homing.llm.testing.asked import IDEOGRAPH, WORD

RUN = 8
STRIDE = 4
MIN_SHARE = 0.1
"""Of a text's runs, that a known passage must have to count at all."""
WHOLE_SHARE = 0.6
"""Of a known passage's runs, from which on the text is that passage and not a part of it."""


@dataclass(frozen=True, slots=True)
class Match:
    """A known passage that a text overlaps; `whole` if the text holds most of it."""

    index: int
    whole: bool


def words_of(text: str) -> list[str]:
    """Return the words of a text in small letters; every ideograph is a word."""
    return WORD.findall(text.lower())


def _split(text: str) -> list[str]:
    """Return what stands between spaces, and every ideograph; much faster than `words_of`."""
    spaced = text if text.isascii() else IDEOGRAPH.sub(r" \g<0> ", text)
    return spaced.lower().split()


class KnownPassages:
    """An index of passages by their runs of words."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._n_runs: list[int] = []
        self._holders: dict[tuple[str, ...], list[int]] = {}
        for index, text in enumerate(texts):
            words = _split(text)
            runs = {tuple(words[i : i + RUN]) for i in range(max(1, len(words) - RUN + 1))}
            self._n_runs.append(len(runs))
            for run in runs:
                self._holders.setdefault(run, []).append(index)

    def find(self, text: str) -> list[Match]:
        """Return the known passages that a text overlaps, the largest overlap first."""
        words = _split(text)
        starts = range(0, max(1, len(words) - RUN + 1), STRIDE)
        votes: dict[int, int] = {}
        for start in starts:
            for index in self._holders.get(tuple(words[start : start + RUN]), ()):
                votes[index] = votes.get(index, 0) + 1
        least = max(1.0, MIN_SHARE * len(starts))
        ranked = sorted(((-n, index) for index, n in votes.items() if n >= least))
        return [
            Match(index, -negative * STRIDE >= WHOLE_SHARE * self._n_runs[index])
            for negative, index in ranked
        ]
