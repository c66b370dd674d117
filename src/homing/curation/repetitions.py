"""Which questions were asked before, and of how many different passages.

Questions are the same when they have the same content words. Memory: some 100 bytes a question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from homing.curation.digests import Digests, digests_of
from homing.types import IntArray
from homing.words import content_words

MAX_ASKED_OF = 2
NEW, AGAIN, OF_ANOTHER, OF_MANY = range(4)

Flags = NDArray[np.bool_]


class Repetitions(NamedTuple):
    """What the questions before, and all others, say about each question.

    Attributes:
        verdicts: `NEW`; `AGAIN`: the same passage, or one like it, was asked this; `OF_ANOTHER`:
            another one was, and keeps it; `OF_MANY`: more than two were. int8 (n,).
        numbers: The group that was asked it first, or how many were, int64 (n,).
    """

    verdicts: NDArray[np.int8]
    numbers: IntArray

    def fault(self, row: int, name: Callable[[int], str]) -> tuple[str, str] | None:
        """Return reason and detail of a question that is not new.

        Args:
            name: Gives the id of a group.
        """
        verdict, number = int(self.verdicts[row]), int(self.numbers[row])
        if verdict == OF_MANY:
            return "ambiguous_question", f"{number} different passages were asked this."
        if verdict == OF_ANOTHER:
            detail = f"Passage {name(number)} was asked this, too, and keeps it."
            return "ambiguous_question", detail
        if verdict == AGAIN:
            return "duplicate_question", "The same passage, or one like it, was asked this before."
        return None


def content_keys(questions: Iterable[str]) -> Digests:
    """Return what questions with the same content words share."""
    return digests_of("\0".join(sorted(content_words(text))) for text in questions)


def find_repetitions(keys: Digests, groups: IntArray, is_sound: Flags) -> Repetitions:
    """Return which of the sound questions, in their order, are new.

    Args:
        keys: From `content_keys` (n,).
        groups: Equal for questions about passages of one group, int64 (n,).
        is_sound: Whether nothing else speaks against a question (n,). One that is not sound counts
            among the passages that were asked, but does not keep its question.
    """
    _, key = np.unique(keys, return_inverse=True)
    n_asked_of = _groups_of_keys(key, groups)[key]
    of_few = np.flatnonzero(is_sound & (n_asked_of <= MAX_ASKED_OF))
    first_of = np.full(len(n_asked_of) + 1, -1, dtype=np.int64)
    # Written from the last to the first, so that the first stays.
    first_of[key[of_few[::-1]]] = of_few[::-1]
    first = first_of[key]
    is_new = first == np.arange(len(key))
    verdicts = np.where(groups == groups[first], AGAIN, OF_ANOTHER)
    verdicts = np.where(is_new, NEW, verdicts)
    verdicts = np.where(n_asked_of > MAX_ASKED_OF, OF_MANY, verdicts).astype(np.int8)
    numbers = np.where(verdicts == OF_MANY, n_asked_of, groups[first])
    return Repetitions(verdicts, numbers.astype(np.int64))


def _groups_of_keys(key: IntArray, groups: IntArray) -> IntArray:
    """Return how many different groups each key has."""
    order = np.lexsort((groups, key))
    is_next = np.ones(len(order), dtype=bool)
    is_next[1:] = (np.diff(key[order]) != 0) | (np.diff(groups[order]) != 0)
    return np.bincount(key[order][is_next]).astype(np.int64)
