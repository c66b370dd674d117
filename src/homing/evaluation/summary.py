"""An evaluation as plain data, for `--json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from homing.evaluation.measures import BUDGET, MEASURES
from homing.types import Comparison, Evaluation, Interval, Slice


def evaluation_summary(evaluation: Evaluation) -> dict[str, Any]:
    """Return the usual measures, the comparisons and all else but single questions."""
    verdict, drift, unjudged = evaluation.verdict, evaluation.drift, evaluation.unjudged
    return {
        "verdict": verdict and asdict(verdict),
        "split": evaluation.split,
        "n_queries": evaluation.n_queries,
        "n_passages": evaluation.n_passages,
        "query_source": evaluation.query_source,
        "copied_fraction": evaluation.copied_fraction,
        "cluster_unit": evaluation.cluster_unit,
        "baseline": evaluation.baseline,
        "contenders": {
            name: {m: result.measures[m] for m in (*MEASURES, BUDGET) if m in result.measures}
            for name, result in evaluation.contenders.items()
        },
        "chosen": {name: r.chosen for name, r in evaluation.contenders.items() if r.chosen},
        "intervals": {
            name: {m: _ends(interval) for m, interval in result.intervals.items()}
            for name, result in evaluation.contenders.items()
        },
        "comparisons": [_comparison(comparison) for comparison in evaluation.comparisons],
        "slices": [_slice(part) for part in evaluation.slices],
        "costs": {name: asdict(cost) for name, cost in evaluation.costs.items()},
        "forgetting": [asdict(found) for found in evaluation.forgetting],
        "drift": drift and asdict(drift),
        "unjudged": unjudged and asdict(unjudged),
        "notes": list(evaluation.notes),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    difference = comparison.difference
    return {
        "name": comparison.name,
        "baseline": comparison.baseline,
        "measure": comparison.measure,
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "p_value": comparison.p_value,
        "p_adjusted": comparison.p_adjusted,
        "detectable": comparison.detectable,
        "headroom_gained": comparison.headroom_gained,
    }


def _slice(part: Slice) -> dict[str, Any]:
    return {
        "dimension": part.dimension,
        "label": part.label,
        "n": part.n,
        "is_ranked": part.is_ranked,
        "hit@5": {name: [i.value, *_ends(i)] for name, i in part.results.items()},
        "differences": {name: [i.value, *_ends(i)] for name, i in part.differences.items()},
    }


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]
