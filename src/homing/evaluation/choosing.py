"""Method and weight of a fusion, chosen on the dev split and never on what is evaluated.

The grid: z-scores and reciprocal ranks, each with the weights 0.1, 0.2, ... 0.9 of the second
member; the measure: nDCG@10; of equals the simpler wins: z-scores before ranks, and the weight that
is nearer to 0.5. Below `MIN_QUESTIONS` dev questions nothing is chosen: the best of 18 on so few is
luck. Cost: the members' scores once for each dev question, and 18 rankings of the passages that a
member has among its first `POOL`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from homing.dataset import Dataset
from homing.evaluation.measures import measure_run
from homing.evaluation.specs import Fusion
from homing.retrieval.fusion import COMPARABLE, METHODS, Method, weighted_mean
from homing.retrieval.search import queries_in_block, top_k
from homing.types import FloatArray, IntArray, Qrel, Retriever, Run

DEV = "dev"
MEASURE = "ndcg@10"
DEPTH = 100
MIN_QUESTIONS = 30
WEIGHTS = tuple(tenths / 10 for tenths in range(1, 10))
GRID: tuple[tuple[Method, float], ...] = tuple(
    (method, weight)
    for method in COMPARABLE
    for weight in sorted(WEIGHTS, key=lambda weight: (round(abs(weight - 0.5), 6), weight))
)
"""The simplest first."""
SIMPLEST: tuple[Method, float] = ("z", 0.5)
POOL = 1000
KEPT_BYTES = 256 * 2**20
"""Of the members' scores that are kept for further fusions of the same members."""


@dataclass(frozen=True, slots=True)
class DevQuestions:
    """The questions to choose on.

    Attributes:
        ids: Of those with an answer.
        texts: As `ids`.
        why_not: Why nothing can be chosen on them; "" if it can.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    qrels: Sequence[Qrel]
    groups: Mapping[str, str]
    passage_ids: tuple[str, ...]
    why_not: str = ""


def dev_questions(dataset: Dataset, evaluated: str | None) -> DevQuestions:
    """Return the dev questions of a dataset, less those that are evaluated themselves.

    Args:
        evaluated: The split that is evaluated, of which nothing may be learnt; None for none.
    """
    known = dataset.split(DEV) if DEV in dataset.splits else {}
    forbidden = set() if evaluated is None else {q.query_id for q in dataset.qrels[evaluated]}
    ids = tuple(query_id for query_id in known if query_id not in forbidden)
    kept = set(ids)
    why_not = ""
    if not known:
        why_not = "there is no dev split"
    elif not ids:
        why_not = "the dev questions are those that are evaluated"
    elif len(ids) < MIN_QUESTIONS:
        why_not = f"{len(ids):,} dev questions are too few, {MIN_QUESTIONS} are needed"
    return DevQuestions(
        ids,
        tuple(dataset.queries[query_id].text for query_id in ids),
        [qrel for qrel in dataset.qrels.get(DEV, ()) if qrel.query_id in kept],
        dataset.groups,
        tuple(dataset.passage_ids()),
        why_not,
    )


class DevScores:
    """What members say about the dev questions; each is asked once if that fits into memory."""

    def __init__(self, dev: DevQuestions, built: Mapping[str, Retriever]) -> None:
        """Begin; `built` may grow while this is in use."""
        self._dev = dev
        self._built = built
        self._kept: dict[str, FloatArray] = {}

    def blocks(self, a: str, b: str) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
        """Yield rows of the dev questions with both members' scores of them."""
        n_passages = max(1, len(self._dev.passage_ids))
        n_block = max(1, queries_in_block(n_passages) // 4)
        for start in range(0, len(self._dev.ids), n_block):
            rows = slice(start, min(start + n_block, len(self._dev.ids)))
            yield rows, self._scores(a, rows), self._scores(b, rows)

    def _scores(self, name: str, rows: slice) -> FloatArray:
        n_bytes = 4 * len(self._dev.ids) * len(self._dev.passage_ids)
        kept_bytes = sum(scores.nbytes for scores in self._kept.values())
        if name not in self._kept and kept_bytes + n_bytes <= KEPT_BYTES:
            self._kept[name] = self._built[name].scores(self._dev.texts)
        if name in self._kept:
            return self._kept[name][rows]
        return self._built[name].scores(self._dev.texts[rows])


def choose(fusion: Fusion, dev: DevQuestions, scores: DevScores) -> tuple[Method, float, str]:
    """Return method and weight for a fusion that says neither, and how they were settled.

    Where nothing can be chosen they are `SIMPLEST`, and the words say why.
    """
    if dev.why_not:
        method, weight = SIMPLEST
        return method, weight, f"{_called(fusion, method, weight)}, not chosen: {dev.why_not}"
    rankings = {cell: np.empty((len(dev.ids), DEPTH), dtype=np.int64) for cell in GRID}
    for rows, first, second in scores.blocks(fusion.a, fusion.b):
        for method, comparable in COMPARABLE.items():
            a, b = comparable(first), comparable(second)
            for weight, ranking in rank_all(a, b, WEIGHTS).items():
                rankings[method, weight][rows] = ranking
    best, best_value = SIMPLEST, -1.0
    for cell in GRID:
        value = _measured(rankings[cell], dev)
        if value > best_value + 1e-9:
            best, best_value = cell, value
    return *best, f"{_called(fusion, *best)}, chosen on {len(dev.ids):,} dev questions"


def rank_all(a: FloatArray, b: FloatArray, weights: Sequence[float]) -> dict[float, IntArray]:
    """Return weight -> the first `DEPTH` of each row of the weighted mean, as `top_k` has them.

    Only what either member has among its first `POOL` is looked at. Nothing else can be higher
    than the mean of the two scores at which these end; where that does not settle a row, all of it
    is ranked.

    Args:
        a: Comparable scores, float32 (n, m).
        b: The same of the other member.
    """
    n_passages = a.shape[1]
    if n_passages <= 2 * POOL:
        return {weight: top_k(weighted_mean(a, b, weight), DEPTH)[0] for weight in weights}
    pools = [np.argpartition(-side, POOL - 1, axis=1)[:, :POOL] for side in (a, b)]
    ends = [
        np.take_along_axis(side, pool, axis=1).min(axis=1)
        for side, pool in zip((a, b), pools, strict=True)
    ]
    pooled = np.sort(np.concatenate(pools, axis=1), axis=1)
    is_repeat = np.zeros(pooled.shape, dtype=bool)
    is_repeat[:, 1:] = pooled[:, 1:] == pooled[:, :-1]
    pooled_a, pooled_b = (np.take_along_axis(side, pooled, axis=1) for side in (a, b))
    rankings = {}
    for weight in weights:
        fused = weighted_mean(pooled_a, pooled_b, weight)
        fused[is_repeat] = -np.inf
        places, values = top_k(fused, DEPTH)
        ranking = np.take_along_axis(pooled, places, axis=1)
        for row in np.flatnonzero(values[:, -1] <= weighted_mean(ends[0], ends[1], weight)):
            whole = slice(row, row + 1)
            ranking[whole] = top_k(weighted_mean(a[whole], b[whole], weight), DEPTH)[0]
        rankings[weight] = ranking
    return rankings


def _measured(ranking: IntArray, dev: DevQuestions) -> float:
    scores = np.zeros(ranking.shape, dtype=np.float32)  # no measure looks at them
    run = Run(dev.ids, dev.passage_ids, ranking, scores)
    return measure_run(run, dev.qrels, groups=dev.groups, names=(MEASURE,)).means()[MEASURE]


def _called(fusion: Fusion, method: Method, weight: float) -> str:
    return f"{METHODS[method]}, {weight:g} for {fusion.b}"


def read_choice(words: str) -> tuple[Method, float] | None:
    """Return method and weight as `choose` told them in words; None for any other words."""
    for method in COMPARABLE:
        found = re.match(rf"{re.escape(METHODS[method])}, (\S+) for ", words)
        if found:
            return method, float(found[1])
    return None
