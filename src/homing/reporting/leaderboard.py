"""The table of all contenders: values, intervals and their drawing, differences, costs."""

from __future__ import annotations

from dataclasses import dataclass

from homing.numbers import bare_percent, chance, percent_range, point_range, points
from homing.reporting.axes import Axis, Drawing
from homing.reporting.contenders import (
    HEADLINE_MEASURE,
    baseline_of,
    challenger_of,
    find_comparison,
    ranked_contenders,
)
from homing.reporting.costs import LEADERBOARD_COLUMNS, CostCell, cost_cells, cost_columns
from homing.reporting.data import ReportData
from homing.reporting.looks import styles
from homing.reporting.naming import short_name
from homing.types import Comparison, ContenderResult

SHOWN_MEASURES = ("hit@5", "hit@1", "hit@10", "mrr@10", "ndcg@10", "hit@2000tokens")
MEASURES_BESIDE_COSTS = ("hit@5", "hit@1", "ndcg@10", "hit@2000tokens")
"""Where costs take their room; the others are in the table of all measures."""
BIG_MEASURES = ("hit@5", "ndcg@10", "mrr@10")


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of the table.

    Attributes:
        value: In percent, "84.2"; "–" when it was not measured.
        number: The same in [0, 1], to sort by; None when it was not measured.
        spread: The 95 % interval, "81.6–86.7", or "".
        best: Whether no contender has a higher value.
    """

    value: str
    number: float | None = None
    spread: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class Against:
    """A contender's difference to the baseline in hit@5.

    Attributes:
        value: In points, "+8.0".
        number: The same in [-1, 1], to sort by.
        spread: Its 95 % interval.
        chance: In words how easily chance brings it, corrected for the number of contenders; ""
            where that was not computed.
    """

    value: str
    number: float
    spread: str
    chance: str


@dataclass(frozen=True, slots=True)
class Row:
    """One contender.

    Attributes:
        spec: As it was given, or "" where the label says the same.
        chosen: What was settled on dev, or "".
        cells: In the order of the table's measures.
        against: None for the baseline, and where nothing was compared.
        drawing: The interval of hit@5, or None if there is none.
        costs: In the order of the table's cost columns.
        recommended: Whether the opening names it.
    """

    name: str
    label: str
    spec: str
    chosen: str
    style: str
    cells: tuple[Cell, ...]
    against: Against | None
    drawing: Drawing | None
    costs: tuple[CostCell, ...]
    recommended: bool
    is_baseline: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class BigNumber:
    """A measure's way from baseline to challenger; `direction` is "up", "down" or "level"."""

    measure: str
    before: str
    after: str
    difference: str
    difference_range: str
    direction: str


def rows(data: ReportData, recommended: str) -> list[Row]:
    """Return the table's rows, the highest hit@5 first.

    Args:
        recommended: The contender that the opening names.
    """
    looks, axis = styles(data), _axis(data)
    return [_row(data, name, looks[name], axis, recommended) for name in ranked_contenders(data)]


def ticks(data: ReportData) -> list[tuple[float, str]]:
    """Return the common axis's ticks as (position, label), such as (55.2, "80")."""
    axis = _axis(data)
    return [(axis.position(n / 100), str(n)) for n in axis.ticks()] if axis else []


def measures_shown(data: ReportData) -> list[str]:
    """Return those of the table's measures that were measured, fewer where there are costs."""
    results = data.evaluation.contenders.values()
    wanted = MEASURES_BESIDE_COSTS if data.evaluation.costs else SHOWN_MEASURES
    return [m for m in wanted if any(m in result.measures for result in results)]


def all_measures(data: ReportData) -> list[tuple[str, list[str]]]:
    """Return every measure with its value for each contender, in the leaderboard's order."""
    results = [data.evaluation.contenders[name] for name in ranked_contenders(data)]
    names = dict.fromkeys(measure for result in results for measure in result.measures)
    return [(m, [_value(result, m) for result in results]) for m in names]


def big_numbers(data: ReportData) -> list[BigNumber]:
    """Return the ways from baseline to challenger; empty unless both were evaluated."""
    baseline, challenger = baseline_of(data), challenger_of(data)
    if baseline is None or challenger is None:
        return []
    base, other = (data.evaluation.contenders[name].measures for name in (baseline, challenger))
    shown = [m for m in BIG_MEASURES if m in base and m in other]
    return [
        _big_number(find_comparison(data, challenger, baseline, m), m, base[m], other[m])
        for m in shown
    ]


def _big_number(
    comparison: Comparison | None, measure: str, before: float, after: float
) -> BigNumber:
    direction = "level"
    if comparison and comparison.difference.low > 0:
        direction = "up"
    elif comparison and comparison.difference.high < 0:
        direction = "down"
    difference = comparison.difference.value if comparison else after - before
    return BigNumber(
        measure=measure,
        before=bare_percent(before),
        after=bare_percent(after),
        difference=points(difference),
        difference_range=point_range(comparison.difference) if comparison else "",
        direction=direction,
    )


def _row(data: ReportData, name: str, style: str, axis: Axis | None, recommended: str) -> Row:
    result = data.evaluation.contenders[name]
    interval = result.intervals.get(HEADLINE_MEASURE)
    label, baseline = short_name(data, name), baseline_of(data)
    return Row(
        name=name,
        label=label,
        spec="" if result.spec.lower() == label.lower() else result.spec,
        chosen=result.chosen,
        style=style,
        cells=tuple(_cell(data, result, measure) for measure in measures_shown(data)),
        against=_against(data, name, baseline),
        drawing=axis.draw(interval) if axis and interval else None,
        costs=cost_cells(data, name, cost_columns(data, LEADERBOARD_COLUMNS)),
        recommended=name == recommended,
        is_baseline=name == baseline,
        seconds=result.seconds,
    )


def _against(data: ReportData, name: str, baseline: str | None) -> Against | None:
    comparison = baseline and find_comparison(data, name, baseline, HEADLINE_MEASURE)
    if not comparison:
        return None
    difference, adjusted = comparison.difference, comparison.p_adjusted
    words = "" if adjusted is None else chance(adjusted)
    return Against(points(difference.value), difference.value, point_range(difference), words)


def _cell(data: ReportData, result: ContenderResult, measure: str) -> Cell:
    if measure not in result.measures:
        return Cell("–")
    highest = max(r.measures.get(measure, 0.0) for r in data.evaluation.contenders.values())
    interval, value = result.intervals.get(measure), result.measures[measure]
    return Cell(
        value=bare_percent(value),
        number=value,
        spread=percent_range(interval) if interval else "",
        best=bare_percent(value) == bare_percent(highest),
    )


def _value(result: ContenderResult, measure: str) -> str:
    return bare_percent(result.measures[measure]) if measure in result.measures else "–"


def _axis(data: ReportData) -> Axis | None:
    """Return the range that all intervals of hit@5 span, or None if there are none."""
    results = data.evaluation.contenders.values()
    found = [r.intervals[HEADLINE_MEASURE] for r in results if HEADLINE_MEASURE in r.intervals]
    if not found:
        return None
    low, high = min(i.low for i in found), max(i.high for i in found)
    return Axis(low, high) if high > low else Axis(max(0.0, low - 0.05), min(1.0, low + 0.05))
