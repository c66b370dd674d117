"""What contenders cost: columns for the leaderboard, a table, and points for the charts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from homing import numbers
from homing.reporting.contenders import HEADLINE_MEASURE, ranked_contenders
from homing.reporting.data import ReportData
from homing.reporting.looks import styles
from homing.reporting.naming import short_name
from homing.types import Cost

NONE = "–"


@dataclass(frozen=True, slots=True)
class CostColumn:
    """One kind of cost.

    Attributes:
        field: Of `Cost`.
        heading: What stands above it.
        show: Its value in words and digits.
    """

    field: str
    heading: str
    show: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class CostCell:
    """A cost as it is shown, and as it is sorted by; `value` is None where it does not apply."""

    text: str
    value: float | None


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one contender costs, its cells in the order of the columns."""

    label: str
    style: str
    cells: tuple[CostCell, ...]


COLUMNS = (
    CostColumn("passages_per_s", "Passages a second", numbers.rate),
    CostColumn("queries_per_s", "Queries a second", numbers.rate),
    CostColumn("p50_ms", "One query, median", numbers.milliseconds),
    CostColumn("p95_ms", "One query, 95th percentile", numbers.milliseconds),
    CostColumn("dimensions", "Dimensions", numbers.count),
    CostColumn("index_bytes", "Index", numbers.byte_size),
    CostColumn("usd_per_million_passages", "$ a million passages", numbers.dollars),
)
LEADERBOARD_COLUMNS = (
    CostColumn("p50_ms", "One query", numbers.milliseconds),
    CostColumn("index_bytes", "Index", numbers.byte_size),
    CostColumn("usd_per_million_passages", "$ a million", numbers.dollars),
)


@dataclass(frozen=True, slots=True)
class CostPoint:
    """A contender in a chart of quality against cost; hit@5 in [0, 1] with its interval."""

    label: str
    style: str
    cost: float
    shown: str
    hit: float
    low: float
    high: float


def cost_columns(
    data: ReportData, columns: tuple[CostColumn, ...] = COLUMNS
) -> tuple[CostColumn, ...]:
    """Return those of the columns that are known of any contender."""
    costs = data.evaluation.costs.values()
    return tuple(c for c in columns if any(getattr(cost, c.field) is not None for cost in costs))


def cost_cells(
    data: ReportData, name: str, columns: tuple[CostColumn, ...]
) -> tuple[CostCell, ...]:
    """Return what a contender costs in each of the columns."""
    cost = data.evaluation.costs.get(name, Cost())
    values = [(column, getattr(cost, column.field)) for column in columns]
    return tuple(CostCell(NONE if v is None else c.show(v), v) for c, v in values)


def cost_rows(data: ReportData) -> list[CostRow]:
    """Return what every contender costs, in the leaderboard's order; those without costs not."""
    columns, looks = cost_columns(data), styles(data)
    return [
        CostRow(short_name(data, name), looks[name], cost_cells(data, name, columns))
        for name in ranked_contenders(data)
        if name in data.evaluation.costs
    ]


def cost_points(data: ReportData, field: str) -> list[CostPoint]:
    """Return every contender's place in a chart of hit@5 against one kind of cost.

    Costs of zero are left out: the charts' axes are logarithmic.
    """
    looks = styles(data)
    show = next(column.show for column in COLUMNS if column.field == field)
    points = []
    for name in ranked_contenders(data):
        cost = getattr(data.evaluation.costs.get(name, Cost()), field)
        if not cost:
            continue
        result = data.evaluation.contenders[name]
        hit = result.measures[HEADLINE_MEASURE]
        interval = result.intervals.get(HEADLINE_MEASURE)
        low, high = (interval.low, interval.high) if interval else (hit, hit)
        label = short_name(data, name)
        points.append(CostPoint(label, looks[name], float(cost), show(cost), hit, low, high))
    return points
