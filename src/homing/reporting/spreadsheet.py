"""The leaderboard as CSV, every measure and cost of every contender, for a spreadsheet."""

from __future__ import annotations

import csv
import io

from homing.reporting.contenders import (
    HEADLINE_MEASURE,
    baseline_of,
    find_comparison,
    ranked_contenders,
)
from homing.reporting.costs import COLUMNS, cost_columns
from homing.reporting.data import ReportData
from homing.types import Cost

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
ENDS = ("low", "high")


def leaderboard_csv(data: ReportData) -> str:
    """Return the leaderboard as CSV: shares and differences as fractions, costs in their units.

    One line a contender, the highest hit@5 first. Text that a spreadsheet would take for a formula
    gets an apostrophe in front.
    """
    results = data.evaluation.contenders
    measures = list(dict.fromkeys(m for result in results.values() for m in result.measures))
    limits = [m for m in measures if any(m in r.intervals for r in results.values())]
    costs = [column.field for column in cost_columns(data, COLUMNS)]
    baseline = baseline_of(data)
    against = ["difference", "low", "high", "p", "p_adjusted"] if baseline else []
    header = ["contender", "spec", *measures, *(f"{m}_{end}" for m in limits for end in ENDS)]
    header += [f"{HEADLINE_MEASURE}_{name}_against_{baseline}" for name in against]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_text(name) for name in (*header, *costs)])
    for name in ranked_contenders(data):
        result, cost = results[name], data.evaluation.costs.get(name, Cost())
        row: list[str] = [_text(name), _text(result.spec)]
        row += [_number(result.measures.get(measure)) for measure in measures]
        for measure in limits:
            interval = result.intervals.get(measure)
            row += [_number(getattr(interval, end, None)) for end in ENDS]
        row += _against(data, name, baseline) if baseline else []
        writer.writerow([*row, *(_number(getattr(cost, field)) for field in costs)])
    return out.getvalue()


def _against(data: ReportData, name: str, baseline: str) -> list[str]:
    comparison = find_comparison(data, name, baseline, HEADLINE_MEASURE)
    if comparison is None:
        return [""] * 5
    difference = comparison.difference
    values = (difference.value, difference.low, difference.high)
    return [_number(v) for v in (*values, comparison.p_value, comparison.p_adjusted)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
