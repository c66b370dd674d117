"""The one split that a question stays in where it occurs in several, and once in that.

Memory: some 100 bytes a question.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from homing.curation.digests import Digests, digests_of
from homing.words import question_key

SPLITS = ("train", "dev", "test")
"""Of the same question in two of them, the later keeps it."""

Splits = NDArray[np.int8]
"""Positions in `SPLITS`, int8 (n,)."""


class Homes(NamedTuple):
    """Where questions stay.

    Attributes:
        splits: Where each question came in (n,).
        homes: Which split keeps it, equal for equal questions (n,).
        is_kept: Whether it is the one that stays there, bool (n,).
    """

    splits: Splits
    homes: Splits
    is_kept: NDArray[np.bool_]

    def n_kept(self, split: str) -> int:
        """Return how many questions stay in a split."""
        return int((self.is_kept & (self.splits == SPLITS.index(split))).sum())

    def fault(self, row: int) -> tuple[str, str] | None:
        """Return reason and detail of a question that does not stay."""
        if self.is_kept[row]:
            return None
        if self.splits[row] != self.homes[row]:
            home = SPLITS[self.homes[row]]
            return f"also_in_{home}", f"The same question is in {home}."
        return "duplicate_question", "It was asked already."


def question_digests(texts: Iterable[str]) -> Digests:
    """Return what questions share that differ in case, spacing and punctuation alone."""
    return digests_of(map(question_key, texts))


def find_homes(keys: Digests, splits: Splits, is_asked: NDArray[np.bool_]) -> Homes:
    """Return which questions stay: of equal ones the first of the last split, and what people ask.

    Args:
        keys: From `question_digests` (n,).
        is_asked: Whether a person asked it; in its split it stays in any case (n,).
    """
    distinct, which = np.unique(keys, return_inverse=True)
    home_of = np.zeros(len(distinct), dtype=np.int8)
    np.maximum.at(home_of, which, splits)
    homes = home_of[which]
    at_home = np.flatnonzero(splits == homes)
    first = np.full(len(distinct), -1, dtype=np.int64)
    # Written from the last to the first, so that the first stays.
    first[which[at_home[::-1]]] = at_home[::-1]
    is_first = first[which] == np.arange(len(keys))
    return Homes(splits, homes, is_first | (is_asked & (splits == homes)))
