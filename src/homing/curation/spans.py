"""Where passages lie, in arrays: all that groups and splits have to know of a passage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from homing.types import IntArray, Passage


@dataclass(frozen=True)
class Spans:
    """The spans of passages, a row for each; some 40 bytes a passage.

    Attributes:
        order: The rows in the order of their ids, int64 (n,).
        documents: Equal for passages of one document, int64 (n,).
        starts: int64 (n,).
        ends: int64 (n,).
        name: Gives the id of a row.
    """

    order: IntArray
    documents: IntArray
    starts: IntArray
    ends: IntArray
    name: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.order)

    def ranks(self) -> IntArray:
        """Return the place of each row in the order of the ids, int64 (n,)."""
        ranks = np.empty(len(self), dtype=np.int64)
        ranks[self.order] = np.arange(len(self))
        return ranks


def spans_of(passages: Sequence[Passage]) -> Spans:
    """Return the spans of passages with distinct ids."""
    ids = [passage.id for passage in passages]
    return Spans(
        order=_array(sorted(range(len(ids)), key=ids.__getitem__)),
        documents=codes_of(passage.document_id for passage in passages),
        starts=_array([passage.start for passage in passages]),
        ends=_array([passage.end for passage in passages]),
        name=ids.__getitem__,
    )


def group_codes(passages: Sequence[Passage], groups: Mapping[str, str]) -> IntArray:
    """Return numbers that are equal for passages of one group, int64 (n,).

    Args:
        groups: Passage id -> group id; a passage that is not in it is its own group.
    """
    return codes_of(groups.get(passage.id, passage.id) for passage in passages)


def codes_of(names: Iterable[str]) -> IntArray:
    """Return numbers that are equal for equal names, counted from 0 as they come, int64 (n,)."""
    codes: dict[str, int] = {}
    return _array([codes.setdefault(name, len(codes)) for name in names])


def _array(values: Sequence[int]) -> IntArray:
    return np.array(values, dtype=np.int64)
