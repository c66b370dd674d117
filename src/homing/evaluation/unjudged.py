"""Top results of which nobody ever said whether they answer: how many, and what a judge changes.

A question mostly has one passage that is known to answer it, the one it was written about. That
another passage answers it as well nobody looked at, and it counts as a miss. So the share of top
results without a judgement is shown beside every score; and a judge can look at the pool, the top
results of all contenders together, as TREC's assessors do (Voorhees, "Variations in relevance
judgments", 2000), so that no contender is judged on what the others found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from homing.evaluation.measures import measure_run
from homing.types import Qrel, Run, Unjudged

POOL_DEPTH = 5

Pair = tuple[str, str]
"""Query id and passage id."""


def unjudged_fractions(
    runs: Mapping[str, Run],
    qrels: Iterable[Qrel],
    *,
    groups: Mapping[str, str] | None = None,
    k: int = POOL_DEPTH,
) -> dict[str, float]:
    """Return for each contender the share of its top `k` results that no judgement covers.

    A judgement covers the whole group of near-duplicates, and says what it says: grades below 1
    are judgements, too. Where nothing was found there is nothing to judge.

    Args:
        groups: Passage id -> group; those not named stand alone.
    """
    unit_of = groups or {}
    judged = {(q.query_id, unit_of.get(q.passage_id, q.passage_id)) for q in qrels}
    fractions = {}
    for name, run in runs.items():
        open_ = [
            (query_id, unit_of.get(passage_id, passage_id)) not in judged
            for row, query_id in enumerate(run.query_ids)
            for passage_id in run.ranked_ids(row)[:k]
        ]
        fractions[name] = float(np.mean(open_)) if open_ else 0.0
    return fractions


def pool(
    runs: Mapping[str, Run],
    qrels: Iterable[Qrel],
    *,
    groups: Mapping[str, str] | None = None,
    k: int = POOL_DEPTH,
) -> list[Pair]:
    """Return the pairs without a judgement among the top `k` of any contender, each once.

    Of a group of near-duplicates one passage is enough. In the order of the questions, then of
    passage ids: who found a passage, and how early, must not show.
    """
    unit_of = groups or {}
    judged = {(q.query_id, unit_of.get(q.passage_id, q.passage_id)) for q in qrels}
    found: dict[str, dict[str, str]] = {}
    for run in runs.values():
        for row, query_id in enumerate(run.query_ids):
            by_unit = found.setdefault(query_id, {})
            for passage_id in run.ranked_ids(row)[:k]:
                unit = unit_of.get(passage_id, passage_id)
                if (query_id, unit) not in judged:
                    by_unit[unit] = min(passage_id, by_unit.get(unit, passage_id))
    return [
        (query_id, passage) for query_id, by in found.items() for passage in sorted(by.values())
    ]


def with_verdicts(
    runs: Mapping[str, Run],
    qrels: Sequence[Qrel],
    verdicts: Mapping[Pair, bool],
    *,
    judge: str,
    groups: Mapping[str, str] | None = None,
    k: int = POOL_DEPTH,
) -> Unjudged:
    """Return hit@k of every contender by the labels alone, and with the judge's right answers.

    Args:
        verdicts: Pair -> whether the passage answers; pairs without one stay unjudged.
        judge: Which model judged.
    """
    more = [Qrel(query_id, passage_id) for (query_id, passage_id), yes in verdicts.items() if yes]
    name = f"hit@{k}"

    def hits(judgements: Sequence[Qrel]) -> dict[str, float]:
        return {
            contender: measure_run(run, judgements, groups=groups, names=(name,)).means()[name]
            for contender, run in runs.items()
        }

    return Unjudged(
        k=k,
        fraction=unjudged_fractions(runs, qrels, groups=groups, k=k),
        judge=judge,
        n_judged=len(verdicts),
        n_right=len(more),
        before=hits(qrels),
        after=hits([*qrels, *more]),
    )
