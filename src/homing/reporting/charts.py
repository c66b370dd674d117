"""The charts as Vega-Lite specifications, and their numbers for the tables beside them.

Colours are CSS variables: the drawing is SVG, so that one chart follows the page from light to dark
and to paper without being drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homing.reporting.contenders import ranked_contenders
from homing.reporting.data import ReportData
from homing.reporting.looks import DASHES, styles
from homing.reporting.naming import short_name

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
TABLE_CUTOFFS = (1, 2, 3, 5, 10, 15, 20)
MAX_CUTOFF = 20

AXIS: Spec = {
    "labelColor": "var(--muted)",
    "titleColor": "var(--muted)",
    "gridColor": "var(--line)",
    "domainColor": "var(--line-strong)",
    "tickColor": "var(--line-strong)",
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "titlePadding": 10,
    "labelPadding": 6,
}
LEGEND: Spec = {
    "labelColor": "var(--ink)",
    "labelFontSize": 13,
    "labelLimit": 260,
    "symbolType": "stroke",
    "symbolSize": 420,
    "symbolStrokeWidth": 2.5,
    "orient": "top",
    "direction": "horizontal",
    "columns": {"expr": "width < 420 ? 2 : 5"},
    "title": None,
    "offset": 14,
}


@dataclass(frozen=True, slots=True)
class Curve:
    """One contender's hit rate at each cutoff, in [0, 1]."""

    label: str
    style: str
    points: tuple[tuple[int, float], ...]


def hit_curves(data: ReportData) -> list[Curve]:
    """Return the hit rate against k of every contender; hit@k measures where no curve is given."""
    looks = styles(data)
    curves = []
    for name in ranked_contenders(data):
        result = data.evaluation.contenders[name]
        if name in data.hit_curve:
            points = tuple((k, float(v)) for k, v in enumerate(data.hit_curve[name], 1))
        else:
            found = {
                int(cutoff): value
                for measure, value in result.measures.items()
                if (cutoff := measure.removeprefix("hit@")).isdigit()
            }
            points = tuple(sorted((k, v) for k, v in found.items() if k <= MAX_CUTOFF))
        curves.append(Curve(short_name(data, name), looks[name], points))
    return curves


def curve_cutoffs(curves: Sequence[Curve]) -> list[int]:
    """Return the cutoffs that the table beside the curves shows."""
    present = {k for curve in curves for k, _ in curve.points}
    return [k for k in TABLE_CUTOFFS if k in present]


def hit_curve_chart(curves: Sequence[Curve]) -> Spec:
    """Return the chart of hit rate (percent) against k, a line for each contender."""
    values = [
        {"k": k, "hit": round(100 * value, 2), "contender": curve.label}
        for curve in curves
        for k, value in curve.points
    ]
    labels = [curve.label for curve in curves]
    colour = nominal(labels, [f"var(--c-{curve.style})" for curve in curves])
    dash = nominal(labels, [DASHES[curve.style] for curve in curves])
    x = axis("k", "k: how many passages are looked at", tickMinStep=1, format="d")
    x["scale"] = {"domainMin": 1, "nice": False}
    y = axis("hit", "right passage among the first k, %")
    y["scale"] = {"zero": False, "nice": True}
    line = {"type": "line", "strokeWidth": 2.25, "interpolate": "monotone"}
    return {
        **frame(320, "Hit rate of every contender against k"),
        "data": {"values": values},
        "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash},
        "layer": [{"mark": line}, _point_under_the_pointer()],
    }


def _point_under_the_pointer() -> Spec:
    """Return the layer that shows the nearest point of a hit curve, and its numbers."""
    nearest = {"type": "point", "nearest": True, "on": "pointerover", "clear": "pointerout"}
    tooltip = [
        {"field": "contender", "type": "nominal", "title": "contender"},
        {"field": "k", "type": "quantitative", "title": "k"},
        {"field": "hit", "type": "quantitative", "title": "hit rate, %", "format": ".1f"},
    ]
    shown = {"condition": {"param": "nearest", "empty": False, "value": 1}, "value": 0}
    return {
        "params": [{"name": "nearest", "select": nearest}],
        "mark": {"type": "point", "filled": True, "size": 60, "strokeDash": [1, 0]},
        "encoding": {"tooltip": tooltip, "opacity": shown},
    }


def frame(height: int, description: str) -> Spec:
    """Return what every chart has in common."""
    return {
        "$schema": SCHEMA,
        "description": description,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "background": "transparent",
        "config": {
            "view": {"stroke": None},
            "axis": AXIS,
            "axisX": {"grid": False},
            "axisY": {"domain": False, "ticks": False},
            "legend": LEGEND,
        },
    }


def axis(field: str, title: str, **options: Any) -> Spec:
    """Return the encoding of a number along an axis; `options` are Vega-Lite's for axes."""
    return {"field": field, "type": "quantitative", "title": title, "axis": options}


def nominal(labels: Sequence[str], looks: Sequence[Any]) -> Spec:
    """Return the encoding of contenders by what each looks like, in the order given."""
    return {
        "field": "contender",
        "type": "nominal",
        "sort": list(labels),
        "scale": {"domain": list(labels), "range": list(looks)},
    }
