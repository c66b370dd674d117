"""The charts of hit@5 against cost: the time of a query, and the size of an index."""

from __future__ import annotations

from collections.abc import Sequence

from homing.reporting.charts import Spec, axis, frame, nominal
from homing.reporting.costs import CostPoint
from homing.reporting.looks import SHAPES

MILLISECONDS = "datum.value < 1000 ? datum.value + ' ms' : datum.value / 1000 + ' s'"
BYTES = "replace(format(datum.value, '.2~s'), /([kMGT]?)$/, ' $1B')"
HIT = "hit@5, %"


def latency_chart(points: Sequence[CostPoint]) -> Spec:
    """Return the chart of hit@5 (percent) against the median time of one query."""
    return _scatter(points, "time of one query (median)", MILLISECONDS)


def index_chart(points: Sequence[CostPoint]) -> Spec:
    """Return the chart of hit@5 (percent) against the size of the index of the whole corpus."""
    return _scatter(points, "size of the index", BYTES)


def _scatter(points: Sequence[CostPoint], title: str, labels: str) -> Spec:
    """Return a chart of hit@5 with its interval against a cost, on a logarithmic axis.

    The legend stands once above both charts, as text of the page.

    Args:
        labels: A Vega expression that shows `datum.value`, a cost, in words.
    """
    x = axis(
        "cost", title, labelExpr=labels, tickCount=4, labelOverlap="greedy", labelSeparation=10
    )
    x["scale"] = {"type": "log", "nice": False, "padding": 26}
    tooltip = [
        {"field": "contender", "type": "nominal", "title": "contender"},
        {"field": "hit", "type": "quantitative", "title": HIT, "format": ".1f"},
        {"field": "shown", "type": "nominal", "title": title},
    ]
    names = [point.label for point in points]
    colours = [f"var(--c-{point.style})" for point in points]
    colour = {**nominal(names, colours), "legend": None}
    return {
        **frame(260, f"Hit@5 of every contender against the {title}"),
        "data": {"values": [_row(point) for point in points]},
        "encoding": {"x": x, "color": colour, "tooltip": tooltip},
        "layer": [_intervals(), _points(points)],
    }


def _intervals() -> Spec:
    return {
        "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.5},
        "encoding": {"y": _quality("low"), "y2": {"field": "high"}},
    }


def _points(points: Sequence[CostPoint]) -> Spec:
    names = [point.label for point in points]
    shape = {**nominal(names, [SHAPES[point.style] for point in points]), "legend": None}
    return {
        "mark": {"type": "point", "filled": True, "size": 140, "opacity": 1},
        "encoding": {"y": _quality("hit"), "shape": shape},
    }


def _quality(field: str) -> Spec:
    return {**axis(field, HIT), "scale": {"zero": False, "nice": True, "padding": 6}}


def _row(point: CostPoint) -> Spec:
    shares = {end: round(100 * getattr(point, end), 2) for end in ("hit", "low", "high")}
    return {"contender": point.label, "cost": point.cost, "shown": point.shown, **shares}
