"""Which contender stands where: the order of all, the baseline, and who is set against it."""

from __future__ import annotations

from homing.reporting.data import ReportData
from homing.types import Comparison

HEADLINE_MEASURE = "hit@5"
TIE_BREAK_MEASURE = "ndcg@10"


def best_contender(data: ReportData) -> str:
    """Return the contender with the highest hit@5; nDCG@10 decides between equals."""
    return ranked_contenders(data)[0]


def ranked_contenders(data: ReportData) -> list[str]:
    """Return the contenders by hit@5, then nDCG@10, the highest first."""
    results = data.evaluation.contenders

    def score(name: str) -> tuple[float, float]:
        measures = results[name].measures
        return measures[HEADLINE_MEASURE], measures.get(TIE_BREAK_MEASURE, 0.0)

    return sorted(results, key=score, reverse=True)


def baseline_of(data: ReportData) -> str | None:
    """Return the contender that the others are compared with; None where it was not evaluated."""
    for name in (data.evaluation.baseline, data.base_name):
        if name in data.evaluation.contenders:
            return name
    return None


def challenger_of(data: ReportData) -> str | None:
    """Return the contender that the page sets against the baseline throughout.

    It is what the verdict deploys, else the tuned model, else the best besides the baseline; None
    where there is no baseline or nobody else.
    """
    baseline = baseline_of(data)
    others = [name for name in ranked_contenders(data) if name != baseline]
    if baseline is None or not others:
        return None
    verdict = data.evaluation.verdict
    if verdict is not None and verdict.contender in others:
        return verdict.contender
    return data.tuned_name if data.tuned_name in others else others[0]


def find_comparison(data: ReportData, name: str, baseline: str, measure: str) -> Comparison | None:
    """Return the paired comparison of two contenders in a measure, or None if none was made."""
    for comparison in data.evaluation.comparisons:
        if (comparison.name, comparison.baseline, comparison.measure) == (name, baseline, measure):
            return comparison
    return None
