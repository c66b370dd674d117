"""What becomes of all written questions, decided on digests and numbers.

The rules are those of `filter_questions` and `build_dataset`, which ask the same functions. Memory:
some 150 bytes a question.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.curation.filters import Fault
from homing.curation.homes import Homes, Splits, find_homes
from homing.curation.question_shards import Checked
from homing.curation.repetitions import NEW, Repetitions, find_repetitions
from homing.curation.splitting import Sides
from homing.types import IntArray


@dataclass(frozen=True)
class Decisions:
    """What the filters and the split make of each question.

    Attributes:
        checked: What each is by itself.
        repetitions: What it is among the others.
        passes_form: Whether it passes the filter of form, bool (n,).
        is_left: Whether it passes all filters, bool (n,).
        homes: Of the questions that are left, in their order.
        name: Gives the id of a group.
    """

    checked: Checked
    repetitions: Repetitions
    passes_form: NDArray[np.bool_]
    is_left: NDArray[np.bool_]
    homes: Homes
    name: Callable[[int], str]

    def splits(self) -> Splits:
        """Return where each question goes, in `SPLITS`; -1 if it is dropped, int8 (n,)."""
        splits = np.full(len(self.is_left), -1, dtype=np.int8)
        splits[self.is_left] = np.where(self.homes.is_kept, self.homes.splits, -1)
        return splits

    def why(self, row: int, rank: int, fault: Fault | None) -> tuple[str, Fault]:
        """Return the step that drops a question, with reason and detail.

        Args:
            rank: How many questions before it are left.
            fault: What is wrong with the question by itself.
        """
        repeated = self.repetitions.fault(row, self.name)
        if self.checked.is_sound[row] and repeated:
            return "form", repeated
        if self.is_left[row]:
            fault = self.homes.fault(rank)
        assert fault is not None, f"question {row} is dropped for no reason"
        if self.is_left[row]:
            return "split", fault
        return "copied" if self.checked.is_sound[row] else "form", fault


def decide(
    checked: Checked,
    rows: IntArray,
    groups: IntArray,
    sides: Sides,
    name: Callable[[int], str],
) -> Decisions:
    """Return what becomes of the questions, in their order.

    Args:
        rows: The row of each question's passage, int64 (n,).
        groups: Its duplicate group, int64 (n,).
        sides: Of the passages, from `split_rows`; none may be held out.
        name: Gives the id of a group.
    """
    repetitions = find_repetitions(checked.content, groups, checked.is_sound)
    passes_form = checked.is_sound & (repetitions.verdicts == NEW)
    is_left = passes_form & ~checked.is_copied
    left = np.flatnonzero(is_left)
    homes = find_homes(checked.same[left], sides[rows[left]], np.zeros(len(left), dtype=bool))
    return Decisions(checked, repetitions, passes_form, is_left, homes, name)
