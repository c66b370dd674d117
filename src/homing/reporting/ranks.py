"""The rank of the right passage, and the passages before it, as the evaluation counts them.

A group of duplicates counts as one passage, at the rank of its best member, and is right if any of
its members is. All in NumPy: O(questions × depth × log depth) for each contender.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.reporting.data import ReportData
from homing.types import IntArray, Run

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Right:
    """The right passages of one question and the duplicate groups they are in."""

    passages: frozenset[str]
    groups: frozenset[str]

    @classmethod
    def of(cls, data: ReportData, query_id: str) -> Right:
        """Return what answers a question."""
        grades = data.relevant.get(query_id, {})
        passages = frozenset(p for p, grade in grades.items() if grade >= 1)
        return cls(passages, frozenset(data.groups[p] for p in passages if p in data.groups))

    def mark(self, data: ReportData, passage_id: str) -> str:
        """Return "right", "duplicate" (of a right one) or ""."""
        if passage_id in self.passages:
            return "right"
        return "duplicate" if data.groups.get(passage_id) in self.groups else ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One contender's answers to the evaluation's questions.

    Attributes:
        first_right: Rank of the first right passage, int64 (n,); 0 where it lies beyond `depth`.
        top: Positions in `passage_ids` of the first passages, int64 (n, `width`), one for each
            group of duplicates; -1 where there are no more.
        depth: How many ranks were saved.
    """

    first_right: IntArray
    top: IntArray
    passage_ids: tuple[str, ...]
    depth: int


def rank_all(data: ReportData, width: int) -> dict[str, Ranked]:
    """Return every contender's answers, rows as `judged_queries`; empty without saved runs.

    Args:
        width: How many of the first passages to keep.
    """
    query_ids = judged_queries(data)
    answers: dict[str, Ranked] = {}
    for name, run in data.evaluation.runs.items():
        if name in data.evaluation.contenders:
            answers[name] = _rank(data, run, query_ids, width)
    return answers if query_ids else {}


def judged_queries(data: ReportData) -> tuple[str, ...]:
    """Return the evaluation's questions of which a right passage is known, in their order."""
    return tuple(q for q in data.evaluation.query_ids if q in data.relevant)


def _rank(data: ReportData, run: Run, query_ids: tuple[str, ...], width: int) -> Ranked:
    codes: dict[str, int] = {}
    passages = (codes.setdefault(_unit(data, p), len(codes)) for p in run.passage_ids)
    unit_of = np.fromiter(passages, dtype=np.int64, count=len(run.passage_ids))
    ranking = _rows_of(run, query_ids)
    units = np.where(ranking >= 0, unit_of[ranking], -1)
    counted = _first_of_each(units) & (ranking >= 0)
    right = counted & _is_right(data, query_ids, codes, units)
    ranks = np.cumsum(counted, axis=1)[np.arange(len(units)), right.argmax(axis=1)]
    return Ranked(
        first_right=np.where(right.any(axis=1), ranks, 0),
        top=_first_positions(ranking, counted, width),
        passage_ids=run.passage_ids,
        depth=ranking.shape[1],
    )


def _unit(data: ReportData, passage_id: str) -> str:
    """Return what a passage counts as: its group of duplicates, else itself."""
    group = data.groups.get(passage_id)
    return f"passage {passage_id}" if group is None else f"group {group}"


def _rows_of(run: Run, query_ids: tuple[str, ...]) -> IntArray:
    """Return the run's ranking with a row for each question; -1 throughout where it has none."""
    rows = {query_id: row for row, query_id in enumerate(run.query_ids)}
    ranking = np.full((len(query_ids), run.ranking.shape[1]), -1, dtype=np.int64)
    here = [row for row, query_id in enumerate(query_ids) if query_id in rows]
    ranking[here] = run.ranking[[rows[query_ids[row]] for row in here]]
    return ranking


def _first_of_each(units: IntArray) -> Mask:
    """Return whether each unit of a row stands there for the first time."""
    order = np.argsort(units, axis=1, kind="stable")
    ordered = np.take_along_axis(units, order, axis=1)
    fresh = np.ones(units.shape, dtype=np.bool_)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.empty_like(fresh)
    np.put_along_axis(first, order, fresh, axis=1)
    return first


def _is_right(
    data: ReportData, query_ids: tuple[str, ...], codes: Mapping[str, int], units: IntArray
) -> Mask:
    """Return whether each unit of a row answers its question."""
    keys = [
        row * len(codes) + codes[unit]
        for row, query_id in enumerate(query_ids)
        for passage_id, grade in data.relevant[query_id].items()
        if grade >= 1 and (unit := _unit(data, passage_id)) in codes
    ]
    wanted = np.arange(len(units))[:, None] * len(codes) + units
    return np.isin(wanted, np.array(keys, dtype=np.int64)) & (units >= 0)


def _first_positions(ranking: IntArray, counted: Mask, width: int) -> IntArray:
    """Return the first `width` passages that count, in their order, filled up with -1."""
    order = np.argsort(~counted, axis=1, kind="stable")[:, :width]
    there = np.take_along_axis(counted, order, axis=1)
    top = np.where(there, np.take_along_axis(ranking, order, axis=1), -1)
    return np.pad(top, ((0, 0), (0, width - top.shape[1])), constant_values=-1)
