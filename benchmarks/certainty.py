"""Do intervals hold the truth, do tests keep their level, how often does the verdict err?

Simulates test sets of which the truth is known (`certainty_sets.py`) and runs on them the very
functions that an evaluation runs:

* coverage: how often 95 % intervals hold the truth, for hit@5 and for paired differences;
* tests: how often the paired test finds a difference where there is none, and where there is the
  one that it is said to find four times in five;
* verdicts: how often the rule deploys something where nothing is better, with 1, 3 and 6 rivals,
  and how often it finds a real gain of 2, 5 and 10 points.

Writes benchmarks/results/certainty.{json,md}.

    python benchmarks/certainty.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from certainty_sets import Values, draw_clusters, draw_ranks, hits, ndcg, true_ndcg
from certainty_tables import markdown
from machine import describe_machine

from homing.evaluation.certainty import describe, detectable_differences
from homing.evaluation.significance import (
    cluster_bootstrap_columns,
    difference_bootstrap_columns,
    paired_difference_columns,
)
from homing.evaluation.verdict import decide
from homing.types import ContenderResult, Evaluation, Interval

RESULTS = Path(__file__).resolve().parent / "results"
N_SETS = 1_000
N_BATCH = 100
GAIN = 0.03
"""True difference behind the intervals of differences."""
CLUSTERS = (8, 20, 60, 200)
PER_CLUSTER = (1, 2, 6, None)
HIT_RATES = (0.5, 0.75, 0.9, 0.95)
WITHIN = (0.0, 0.2, 0.5)
DESIGNS = ((60, 1), (50, 2), (60, 5), (400, 2), (600, 5))
"""(clusters, questions in each) of the sets on which verdicts are reached."""
RIVALS = (1, 3, 6)
GAINS = (0.02, 0.05, 0.1)
BASE_RATE = 0.76
VERDICT_WITHIN = 0.2


def measure_coverage(n_sets: int, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how often intervals hold the truth, cell by cell of the grid."""
    rows = []
    for number, cell in enumerate(cells):
        found: dict[str, list[Any]] = {}
        for batch in range(-(-n_sets // N_BATCH)):
            rng = np.random.default_rng([number, batch])
            size = min(N_BATCH, n_sets - batch * N_BATCH)
            for name, value in _cover_batch(rng, cell, size, batch).items():
                found.setdefault(name, []).append(value)
        rows.append({**cell, **{name: float(np.mean(each)) for name, each in found.items()}})
    return rows


def _cover_batch(
    rng: np.random.Generator, cell: Mapping[str, Any], size: int, seed: int
) -> dict[str, float]:
    rate, better = cell["hit_rate"], cell["hit_rate"] + GAIN
    clusters = draw_clusters(rng, cell["clusters"], cell["per_cluster"])
    ranks = draw_ranks(rng, clusters, (rate, better), within=cell["within"], n_sets=size)
    base, tuned = hits(ranks)
    labels = clusters.tolist()
    means = cluster_bootstrap_columns(base, labels, seed=seed)
    graded = ndcg(ranks)
    columns = np.concatenate([tuned - base, graded[1] - graded[0]], axis=1)
    differences = difference_bootstrap_columns(columns, labels, seed=seed)
    gain = true_ndcg(better) - true_ndcg(rate)
    return {
        "questions": float(len(clusters)),
        "rare": float(min(base.sum(), (1 - base).sum()) / size),
        "differing": float((tuned != base).sum() / size),
        "hit@5": _share_holding(means, rate),
        "difference in hit@5": _share_holding(differences[:size], GAIN),
        "difference in ndcg@10": _share_holding(differences[size:], gain),
    }


def _share_holding(intervals: Sequence[Interval], truth: float) -> float:
    return float(np.mean([i.low - 1e-12 <= truth <= i.high + 1e-12 for i in intervals]))


def measure_tests(n_sets: int, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how often the test finds nothing real, and the difference it is said to find."""
    rows = []
    for number, cell in enumerate(cells):
        null, detectable = _p_values(cell, 0.0, n_sets, number)
        gain = float(np.median(detectable))
        row = {**cell, "false": {m: float(np.mean(p <= 0.05)) for m, p in null.items()}}
        if cell["hit_rate"] + gain < 1:
            real, _ = _p_values(cell, gain, n_sets, number + len(cells))
            row |= {"detectable": gain, "found": float(np.mean(real["hit@5"] <= 0.05))}
        rows.append(row)
    return rows


def _p_values(
    cell: Mapping[str, Any], gain: float, n_sets: int, seed: int
) -> tuple[dict[str, Values], Values]:
    """Return p-values by measure, and what the sets could show in hit@5, all (n_sets,)."""
    p_values: dict[str, list[float]] = {"hit@5": [], "ndcg@10": []}
    detectable: list[float] = []
    for batch in range(-(-n_sets // N_BATCH)):
        rng = np.random.default_rng([seed, batch])
        size = min(N_BATCH, n_sets - batch * N_BATCH)
        clusters = draw_clusters(rng, cell["clusters"], cell["per_cluster"])
        rates = (cell["hit_rate"], cell["hit_rate"] + gain)
        ranks = draw_ranks(rng, clusters, rates, within=cell["within"], n_sets=size)
        (base, tuned), graded = hits(ranks), ndcg(ranks)
        columns = np.concatenate([tuned - base, graded[1] - graded[0]], axis=1)
        labels = clusters.tolist()
        found = [p for _, p in paired_difference_columns(columns, labels, seed=batch)]
        p_values["hit@5"] += found[:size]
        p_values["ndcg@10"] += found[size:]
        known = detectable_differences(tuned - base, labels)
        detectable += [1.0 if value is None else value for value in known]
    return {m: np.array(each) for m, each in p_values.items()}, np.array(detectable)


def measure_verdicts(
    n_sets: int, cases: Sequence[tuple[tuple[int, int], Sequence[float]]]
) -> list[dict[str, Any]]:
    """Return what the rule decides: for each design and true gains of the rivals.

    The first rival is called "tuned"; the others never gain anything.
    """
    rows = []
    for number, ((n_clusters, per_cluster), gains) in enumerate(cases):
        decisions: Counter[str] = Counter()
        for batch in range(-(-n_sets // N_BATCH)):
            rng = np.random.default_rng([number, batch])
            size = min(N_BATCH, n_sets - batch * N_BATCH)
            clusters = draw_clusters(rng, n_clusters, per_cluster)
            rates = [BASE_RATE, *(BASE_RATE + gain for gain in gains)]
            ranks = draw_ranks(rng, clusters, rates, within=VERDICT_WITHIN, n_sets=size)
            for evaluation in _evaluations(ranks, clusters.tolist(), batch):
                verdict = decide(evaluation, seed=batch)
                is_right = verdict.contender == "tuned"
                right = f"deploy {'tuned' if is_right else 'another'}"
                decisions[right if verdict.decision == "deploy" else verdict.decision] += 1
        rows.append(
            {
                "questions": n_clusters * per_cluster,
                "clusters": n_clusters,
                "gains": list(gains),
                "decisions": {name: n / n_sets for name, n in decisions.items()},
            }
        )
    return rows


def _evaluations(ranks: Any, labels: Sequence[int], seed: int) -> list[Evaluation]:
    """Return an evaluation of each simulated set, compared as `compare` does it."""
    names = ["base", "tuned", *(f"rival {i}" for i in range(2, len(ranks)))]
    rivals, n_sets = names[1:], ranks.shape[2]
    values = {"hit@5": hits(ranks), "ndcg@10": ndcg(ranks)}
    found, detectable = {}, {}
    for measure, table in values.items():
        columns = np.concatenate([table[i] - table[0] for i in range(1, len(names))], axis=1)
        found[measure] = paired_difference_columns(columns, labels, seed=seed)
        detectable[measure] = detectable_differences(columns, labels)
    evaluations = []
    for number in range(n_sets):
        comparisons = []
        for measure, table in values.items():
            mean = float(table[0, :, number].mean())
            mine = (found[measure][number::n_sets], detectable[measure][number::n_sets])
            comparisons += describe(rivals, "base", measure, mean, *mine)
        by_query = {
            name: {m: table[i, :, number] for m, table in values.items()}
            for i, name in enumerate(names)
        }
        evaluations.append(_evaluation(by_query, comparisons, labels))
    return evaluations


def _evaluation(
    by_query: Mapping[str, Mapping[str, Values]], comparisons: Sequence[Any], labels: Sequence[int]
) -> Evaluation:
    return Evaluation(
        split="test",
        n_queries=len(labels),
        n_passages=len(labels),
        query_ids=tuple(map(str, range(len(labels)))),
        contenders={
            name: ContenderResult(name, name, {m: float(v.mean()) for m, v in each.items()}, {})
            for name, each in by_query.items()
        },
        comparisons=comparisons,
        by_query=by_query,
        runs={},
        cluster_unit="passage",
        query_source="people",
        clusters=tuple(map(str, labels)),
    )


def grid(hit_rates: Sequence[float], within: Sequence[float], clusters: Sequence[int]) -> list[Any]:
    """Return the cells of the grid; single questions have nothing in common within a cluster."""
    return [
        {"clusters": n, "per_cluster": per, "hit_rate": rate, "within": share}
        for n in clusters
        for per in PER_CLUSTER
        for rate in hit_rates
        for share in within
        if per != 1 or share == within[0]
    ]


def main() -> None:
    """Run all three parts and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few cells, 100 sets each")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    started = time.monotonic()
    if arguments.quick:
        result = run(100, (0.75,), (0.2,), (20,), DESIGNS[1:2], (1, 3), (0.1,))
    else:
        result = run(N_SETS, HIT_RATES, WITHIN, CLUSTERS, DESIGNS, RIVALS, GAINS)
    result["seconds"] = round(time.monotonic() - started)
    result["machine"] = describe_machine()
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (arguments.out / "certainty.json").write_text(text, encoding="utf-8")
    (arguments.out / "certainty.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


def run(
    n_sets: int,
    hit_rates: Sequence[float],
    within: Sequence[float],
    clusters: Sequence[int],
    designs: Sequence[tuple[int, int]],
    rivals: Sequence[int],
    gains: Sequence[float],
) -> dict[str, Any]:
    """Return the results of all three parts."""
    nothing = [(design, [0.0] * n) for design in designs for n in rivals]
    something = [(design, [gain, 0.0, 0.0]) for design in designs for gain in gains]
    return {
        "n_sets": n_sets,
        "coverage": measure_coverage(n_sets, grid(hit_rates, within, clusters)),
        "tests": measure_tests(n_sets, grid((0.75,), (0.2,), clusters)),
        "no_gain": measure_verdicts(n_sets, nothing),
        "gain": measure_verdicts(n_sets, something),
    }


if __name__ == "__main__":
    main()
