"""The table of all contenders: values, intervals, and the interval's drawing."""

from __future__ import annotations

from dataclasses import dataclass

from homing.reporting.data import ReportData
from homing.reporting.naming import short_name, styles
from homing.reporting.numbers import bare_percent, percent_range, point_range, points
from homing.reporting.verdict import (
    HEADLINE_MEASURE,
    best_contender,
    find_comparison,
    ranked_contenders,
)
from homing.types import ContenderResult, Interval

SHOWN_MEASURES = ("hit@5", "hit@1", "hit@10", "mrr@10", "ndcg@10")
BIG_MEASURES = ("hit@5", "ndcg@10", "mrr@10")
AXIS_WIDTH = 200.0
AXIS_MARGIN = 8.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of the table.

    Attributes:
        value: In percent, "84.2"; "–" when it was not measured.
        spread: The 95 % interval, "81.6–86.7", or "".
        best: Whether no contender has a higher value.
    """

    value: str
    spread: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """An interval on the common axis, in units of a drawing `AXIS_WIDTH` wide."""

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One contender.

    Attributes:
        spec: As it was given, or "" where the label says the same.
        cells: In the order of the table's measures.
        difference: hit@5 against the base, "+8.0", or "".
        difference_range: Its 95 % interval, or "".
        drawing: The interval of hit@5, or None if there is none.
    """

    name: str
    label: str
    spec: str
    style: str
    cells: tuple[Cell, ...]
    difference: str
    difference_range: str
    drawing: Drawing | None
    winner: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class BigNumber:
    """A measure's way from base to tuned; `direction` is "up", "down" or "level"."""

    measure: str
    base: str
    tuned: str
    difference: str
    difference_range: str
    direction: str


def rows(data: ReportData) -> list[Row]:
    """Return the table's rows, the highest hit@5 first."""
    winner, looks = best_contender(data), styles(data)
    axis = _axis(data)
    return [_row(data, name, looks[name], axis, winner) for name in ranked_contenders(data)]


def ticks(data: ReportData) -> list[tuple[float, str]]:
    """Return the common axis's ticks as (position, label), such as (55.2, "80")."""
    axis = _axis(data)
    if axis is None:
        return []
    low, high = axis
    span = 100 * (high - low)
    step = next(s for s in (1, 2, 5, 10, 20, 50) if span / s <= 5 or s == 50)
    first = int(-(-100 * low // step)) * step
    return [(_position(axis, n / 100), str(n)) for n in range(first, int(100 * high) + 1, step)]


def measures_shown(data: ReportData) -> list[str]:
    """Return those of the table's measures that were measured."""
    results = data.evaluation.contenders.values()
    return [m for m in SHOWN_MEASURES if any(m in result.measures for result in results)]


def all_measures(data: ReportData) -> list[tuple[str, list[str]]]:
    """Return every measure with its value for each contender, in the contenders' order."""
    results = data.evaluation.contenders.values()
    names = dict.fromkeys(measure for result in results for measure in result.measures)
    return [(m, [_value(result, m) for result in results]) for m in names]


def big_numbers(data: ReportData) -> list[BigNumber]:
    """Return the ways from base to tuned; empty unless both were evaluated."""
    results = data.evaluation.contenders
    if not {data.base_name, data.tuned_name} <= set(results):
        return []
    base, tuned = results[data.base_name], results[data.tuned_name]
    shown = [m for m in BIG_MEASURES if m in base.measures and m in tuned.measures]
    return [_big_number(data, m, base.measures[m], tuned.measures[m]) for m in shown]


def _big_number(data: ReportData, measure: str, base: float, tuned: float) -> BigNumber:
    comparison = find_comparison(data, data.tuned_name, data.base_name, measure)
    direction = "level"
    if comparison and comparison.difference.low > 0:
        direction = "up"
    elif comparison and comparison.difference.high < 0:
        direction = "down"
    difference = comparison.difference.value if comparison else tuned - base
    return BigNumber(
        measure=measure,
        base=bare_percent(base),
        tuned=bare_percent(tuned),
        difference=points(difference),
        difference_range=point_range(comparison.difference) if comparison else "",
        direction=direction,
    )


def _row(
    data: ReportData, name: str, style: str, axis: tuple[float, float] | None, winner: str
) -> Row:
    result = data.evaluation.contenders[name]
    comparison = find_comparison(data, name, data.base_name, HEADLINE_MEASURE)
    interval = result.intervals.get(HEADLINE_MEASURE)
    return Row(
        name=name,
        label=short_name(data, name),
        spec="" if result.spec.lower() == short_name(data, name).lower() else result.spec,
        style=style,
        cells=tuple(_cell(data, result, measure) for measure in measures_shown(data)),
        difference=points(comparison.difference.value) if comparison else "",
        difference_range=point_range(comparison.difference) if comparison else "",
        drawing=_drawing(axis, interval) if axis and interval else None,
        winner=name == winner,
        seconds=result.seconds,
    )


def _cell(data: ReportData, result: ContenderResult, measure: str) -> Cell:
    if measure not in result.measures:
        return Cell("–")
    highest = max(r.measures.get(measure, 0.0) for r in data.evaluation.contenders.values())
    interval = result.intervals.get(measure)
    return Cell(
        value=bare_percent(result.measures[measure]),
        spread=percent_range(interval) if interval else "",
        best=bare_percent(result.measures[measure]) == bare_percent(highest),
    )


def _value(result: ContenderResult, measure: str) -> str:
    return bare_percent(result.measures[measure]) if measure in result.measures else "–"


def _axis(data: ReportData) -> tuple[float, float] | None:
    """Return the range that all intervals of hit@5 span, or None if there are none."""
    results = data.evaluation.contenders.values()
    found = [r.intervals[HEADLINE_MEASURE] for r in results if HEADLINE_MEASURE in r.intervals]
    if not found:
        return None
    low, high = min(i.low for i in found), max(i.high for i in found)
    return (low, high) if high > low else (max(0.0, low - 0.05), min(1.0, low + 0.05))


def _drawing(axis: tuple[float, float], interval: Interval) -> Drawing:
    return Drawing(
        _position(axis, interval.low),
        _position(axis, interval.value),
        _position(axis, interval.high),
    )


def _position(axis: tuple[float, float], share: float) -> float:
    low, high = axis
    inner = AXIS_WIDTH - 2 * AXIS_MARGIN
    return round(AXIS_MARGIN + inner * (share - low) / (high - low), 1)
