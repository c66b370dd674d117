"""Two finished evaluations of the same questions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.errors import UsageError
from homing.evaluation.significance import paired_difference_columns
from homing.types import Evaluation, Interval

MEASURES = ("hit@1", "hit@5", "mrr@10", "ndcg@10")
HEADLINE = "hit@5"


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of one contender in both evaluations, over the questions that both asked.

    Attributes:
        name: Of the contender in the first evaluation.
        other: Of the contender in the second; mostly the same.
        before: Mean in the first, over the common questions.
        after: Mean in the second.
        difference: Paired, second minus first, with its interval.
        p_value: Two-sided, of the paired randomisation test.
    """

    name: str
    other: str
    measure: str
    before: float
    after: float
    difference: Interval
    p_value: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two evaluations.

    Attributes:
        n_common: Questions that both asked.
        n_only: Questions of the first alone, and of the second alone.
        n_passages: Size of the corpus in each.
        changes: Each pair of contenders in each of `MEASURES`.
        won: (name, other) -> ids of questions found among the first five in the second alone.
        lost: The same for the first alone.
    """

    n_common: int
    n_only: tuple[int, int]
    n_passages: tuple[int, int]
    changes: Sequence[Change]
    won: Mapping[tuple[str, str], Sequence[str]]
    lost: Mapping[tuple[str, str], Sequence[str]]


def compare_evaluations(
    a: Evaluation,
    b: Evaluation,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    seed: int = 0,
) -> Changes:
    """Return how the contenders of two evaluations differ on the questions that both asked.

    Questions are the same if their ids are, which follow from their texts. Intervals and tests
    resample what the first evaluation resampled.

    Args:
        pairs: (name in `a`, name in `b`); None pairs the contenders of equal name.

    Raises:
        UsageError: If no question or no contender is common, or a name is unknown.
    """
    chosen = _pairs(a, b, pairs)
    row_of = {query_id: row for row, query_id in enumerate(b.query_ids)}
    rows_a = [row for row, query_id in enumerate(a.query_ids) if query_id in row_of]
    if not rows_a:
        raise UsageError(
            "The two evaluations have no question in common, so they cannot be compared. Evaluate "
            "both on the same questions."
        )
    common = [a.query_ids[row] for row in rows_a]
    rows_b = [row_of[query_id] for query_id in common]
    clusters = [a.clusters[row] for row in rows_a] if a.clusters else common
    changes: list[Change] = []
    won: dict[tuple[str, str], list[str]] = {}
    lost: dict[tuple[str, str], list[str]] = {}
    for name, other in chosen:
        before = {m: a.by_query[name][m][rows_a] for m in MEASURES}
        after = {m: b.by_query[other][m][rows_b] for m in MEASURES}
        changes += _changes((name, other), before, after, clusters, seed)
        gained = after[HEADLINE] - before[HEADLINE]
        won[name, other] = [common[i] for i in np.flatnonzero(gained > 0)]
        lost[name, other] = [common[i] for i in np.flatnonzero(gained < 0)]
    return Changes(
        n_common=len(common),
        n_only=(a.n_queries - len(common), b.n_queries - len(common)),
        n_passages=(a.n_passages, b.n_passages),
        changes=changes,
        won=won,
        lost=lost,
    )


def _pairs(
    a: Evaluation, b: Evaluation, asked: Sequence[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    for name, other in asked or ():
        for wanted, evaluation, which in ((name, a, "first"), (other, b, "second")):
            if wanted not in evaluation.contenders:
                there = ", ".join(evaluation.contenders)
                raise UsageError(
                    f"The {which} evaluation has no contender {wanted!r}, but {there}."
                )
    if asked:
        return list(asked)
    names = [(name, name) for name in a.contenders if name in b.contenders]
    if not names:
        raise UsageError(
            f"No contender has the same name in both: {', '.join(a.contenders)} and "
            f"{', '.join(b.contenders)}. Name a pair with --pair NAME=NAME."
        )
    return names


def _changes(
    pair: tuple[str, str],
    before: Mapping[str, NDArray[np.float64]],
    after: Mapping[str, NDArray[np.float64]],
    clusters: Sequence[str],
    seed: int,
) -> list[Change]:
    columns = np.stack([after[m] - before[m] for m in MEASURES], axis=1)
    found = paired_difference_columns(columns, clusters, seed=seed)
    return [
        Change(*pair, m, float(before[m].mean()), float(after[m].mean()), difference, p_value)
        for m, (difference, p_value) in zip(MEASURES, found, strict=True)
    ]
