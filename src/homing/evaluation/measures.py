"""The field's measures for each query, over a run and relevance judgements, in NumPy.

Definitions follow trec_eval (hit is its `success`, ndcg its `ndcg_cut` with linear gain, map its
`map_cut`), save that ties are settled by the run itself, which ranks the earlier passage of the
corpus first. Cost: O(queries x depth of the run).

Near-duplicates: where groups are given, a group counts as one passage. It is relevant if any of
its members is; only its best-ranked member keeps a rank, the others are passed over. A budget of
tokens is the exception: a near-duplicate that is handed over is paid for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.types import Qrel, Run

Values = NDArray[np.float64]

HIT_CUTOFFS = (*range(1, 11), 15, 20, 30, 50, 100)
"""Where the curve of hit rate against k is drawn."""
MEASURES = (
    "hit@1", "hit@3", "hit@5", "hit@10", "hit@20",
    "mrr@10", "ndcg@1", "ndcg@3", "ndcg@5", "ndcg@10", "ndcg@100", "map@10", "map@100",
    "recall@1", "recall@3", "recall@5", "recall@10", "recall@20", "recall@100",
    "precision@1", "precision@3", "precision@5", "precision@10",
)  # fmt: skip
"""What is reported by default."""
CURVE = tuple(f"hit@{k}" for k in HIT_CUTOFFS)
ALL_MEASURES = (*MEASURES, *(name for name in CURVE if name not in MEASURES))

BUDGET_TOKENS = 2_000
BUDGET = f"hit@{BUDGET_TOKENS}tokens"
"""Whether the right passage is, whole, within what a prompt of so many tokens holds."""

_NAME = re.compile(r"(hit|recall|precision|mrr|ndcg|map)@([1-9]\d*)")
_BUDGET_NAME = re.compile(r"hit@([1-9]\d*)tokens")


@dataclass(frozen=True, slots=True)
class Measured:
    """The value of each measure for each query that has a relevant passage.

    Attributes:
        query_ids: In the order of their first relevant judgement.
        values: Measure -> float64 (n_queries,), rows as `query_ids`, each in [0, 1].
        excluded: Ids of queries, in the run or the judgements, for which nothing is relevant: no
            measure is defined for them.
    """

    query_ids: tuple[str, ...]
    values: Mapping[str, Values]
    excluded: tuple[str, ...]

    def means(self) -> dict[str, float]:
        """Return the mean of each measure over the queries; nan if there are none."""
        return {
            name: float(values.mean()) if len(values) else float("nan")
            for name, values in self.values.items()
        }


def measure_run(
    run: Run,
    qrels: Iterable[Qrel],
    *,
    groups: Mapping[str, str] | None = None,
    names: Sequence[str] = ALL_MEASURES,
    passage_tokens: Sequence[int] | None = None,
) -> Measured:
    """Return the measures of a run, query by query.

    A query with relevant passages that is missing from the run counts as 0 everywhere. A relevant
    passage that the corpus lacks counts as one that is never found. Grades below 1 are not
    relevant; of several judgements of one passage the highest holds.

    Args:
        groups: Passage id -> id of its group of near-duplicates; those not named stand alone.
        names: Such as "hit@5", "mrr@10", "hit@2000tokens"; a cutoff beyond the run's depth sees
            what there is.
        passage_tokens: Tokens of each passage, as `run.passage_ids`; for budgets of tokens.

    Raises:
        ValueError: If a name is unknown, the run holds a query twice, or a budget is asked for
            without the passages' tokens.
    """
    budgets = {name: int(m[1]) for name in names if (m := _BUDGET_NAME.fullmatch(name))}
    parsed = {name: _parse_name(name) for name in names if name not in budgets}
    if len(set(run.query_ids)) != len(run.query_ids):
        raise ValueError("The run holds a query id twice.")
    unit_of = groups or {}
    judged: dict[str, None] = {}
    relevant: dict[str, dict[str, int]] = {}
    for qrel in qrels:
        judged[qrel.query_id] = None
        if qrel.grade >= 1:
            grades = relevant.setdefault(qrel.query_id, {})
            unit = unit_of.get(qrel.passage_id, qrel.passage_id)
            grades[unit] = max(qrel.grade, grades.get(unit, 0))
    gains = _gains(run, relevant, unit_of)
    n_relevant = np.array([len(grades) for grades in relevant.values()], dtype=np.float64)
    ideal = _padded([sorted(grades.values(), reverse=True) for grades in relevant.values()])
    values = {
        name: _measure(kind, k, gains, n_relevant, ideal) for name, (kind, k) in parsed.items()
    }
    for name, budget in budgets.items():
        values[name] = _within_budget(run, relevant, unit_of, budget, passage_tokens)
    values = {name: values[name] for name in names}
    excluded = dict.fromkeys(q for q in (*judged, *run.query_ids) if q not in relevant)
    return Measured(tuple(relevant), values, tuple(excluded))


def _parse_name(name: str) -> tuple[str, int]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(
            f"{name!r} is no measure. Measures are hit, recall, precision, mrr, ndcg and map "
            "with a cutoff, such as ndcg@10."
        )
    return match[1], int(match[2])


def _gains(
    run: Run, relevant: Mapping[str, Mapping[str, int]], unit_of: Mapping[str, str]
) -> Values:
    """Return the grade found at each rank, float64 (n_queries, depth), repeats of a group out."""
    units = [unit_of.get(passage_id, passage_id) for passage_id in run.passage_ids]
    row_of = {query_id: row for row, query_id in enumerate(run.query_ids)}
    gains = np.zeros((len(relevant), run.ranking.shape[1]), dtype=np.float64)
    for row, (query_id, grades) in enumerate(relevant.items()):
        if query_id not in row_of:
            continue
        positions = run.ranking[row_of[query_id]].tolist()
        ranked = dict.fromkeys(units[position] for position in positions if position >= 0)
        gains[row, : len(ranked)] = [grades.get(unit, 0) for unit in ranked]
    return gains


def _within_budget(
    run: Run,
    relevant: Mapping[str, Mapping[str, int]],
    unit_of: Mapping[str, str],
    budget: int,
    passage_tokens: Sequence[int] | None,
) -> Values:
    """Return 1.0 where a right passage ends within the first `budget` tokens, in rank order."""
    if passage_tokens is None or len(passage_tokens) != len(run.passage_ids):
        raise ValueError("A budget of tokens needs the tokens of every passage.")
    tokens = np.asarray(passage_tokens, dtype=np.int64)
    units = [unit_of.get(passage_id, passage_id) for passage_id in run.passage_ids]
    row_of = {query_id: row for row, query_id in enumerate(run.query_ids)}
    values = np.zeros(len(relevant), dtype=np.float64)
    for row, (query_id, grades) in enumerate(relevant.items()):
        if query_id not in row_of:
            continue
        ranked = run.ranking[row_of[query_id]]
        ranked = ranked[ranked >= 0]
        fitting = ranked[np.cumsum(tokens[ranked]) <= budget]
        values[row] = any(units[position] in grades for position in fitting.tolist())
    return values


def _padded(rows: Sequence[Sequence[int]]) -> Values:
    table = np.zeros((len(rows), max(map(len, rows), default=0)), dtype=np.float64)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table


def _measure(kind: str, k: int, gains: Values, n_relevant: Values, ideal: Values) -> Values:
    found = gains[:, :k] > 0
    if kind == "hit":
        values = found.any(axis=1).astype(np.float64)
    elif kind == "recall":
        values = found.sum(axis=1) / n_relevant
    elif kind == "precision":
        values = found.sum(axis=1) / k
    elif kind == "mrr":
        first = found.argmax(axis=1) + 1 if found.shape[1] else np.ones(len(found))
        values = np.where(found.any(axis=1), 1.0 / first, 0.0)
    elif kind == "ndcg":
        values = _dcg(gains[:, :k]) / _dcg(ideal[:, :k])
    else:
        ranks = np.arange(1, found.shape[1] + 1)
        values = _total(found * found.cumsum(axis=1) / ranks) / n_relevant
    return np.asarray(values, dtype=np.float64)


def _dcg(gains: Values) -> Values:
    """Return discounted cumulative gain: grade over log2(rank + 1), summed."""
    discounts = np.log2(np.arange(2, gains.shape[1] + 2))
    return _total(gains / discounts)


def _total(rows: Values) -> Values:
    """Return the sum of each row, the same to the last bit however wide the padding is."""
    if not rows.shape[1]:
        return np.zeros(len(rows))
    total: Values = rows.cumsum(axis=1)[:, -1]
    return total
