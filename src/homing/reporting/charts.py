"""The charts as Vega-Lite specifications, and their numbers for the tables beside them.

Colours are CSS variables: the drawing is SVG, so that one chart follows the page from light to dark
and to paper without being drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homing.reporting.data import ReportData
from homing.reporting.naming import short_name, styles
from homing.reporting.verdict import ranked_contenders

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
TABLE_CUTOFFS = (1, 2, 3, 5, 10, 15, 20)
DASHES = {
    "tuned": [1, 0],
    "base": [6, 3],
    "bm25": [2, 3],
    "fused-tuned": [1, 0],
    "fused-base": [6, 3],
    "other-1": [1, 0],
    "other-2": [8, 2, 2, 2],
    "other-3": [4, 2],
    "other-4": [2, 2],
}
MAX_CUTOFF = 20
SMOOTHING_FROM = 40

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
                int(measure.removeprefix("hit@")): value
                for measure, value in result.measures.items()
                if measure.startswith("hit@")
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
    colour = _by_contender(curves, [f"var(--c-{curve.style})" for curve in curves])
    dash = _by_contender(curves, [DASHES[curve.style] for curve in curves])
    x = _axis("k", "k: how many passages are looked at", tickMinStep=1, format="d")
    x["scale"] = {"domainMin": 1, "nice": False}
    y = _axis("hit", "right passage among the first k, %")
    y["scale"] = {"zero": False, "nice": True}
    line = {"type": "line", "strokeWidth": 2.25, "interpolate": "monotone"}
    return {
        **_frame(320, "Hit rate of every contender against k"),
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


def loss_chart(loss: Sequence[tuple[int, float]]) -> Spec:
    """Return the chart of the training loss; a running mean lies over long series."""
    values = [{"step": step, "loss": round(value, 5)} for step, value in loss]
    long = len(values) >= SMOOTHING_FROM
    x = _axis("step", "step", tickCount=5, format="d")
    line: Spec = {
        "mark": {"type": "line", "stroke": "var(--c-tuned)", "opacity": 0.35 if long else 1},
        "encoding": {"x": x, "y": _axis("loss", "loss")},
    }
    layers = [line]
    if long:
        frame = max(2, len(values) // 30)
        smooth = {"op": "mean", "field": "loss", "as": "smooth"}
        layers.append(
            {
                "transform": [{"window": [smooth], "frame": [-frame, frame]}],
                "mark": {"type": "line", "stroke": "var(--c-tuned)", "strokeWidth": 2.25},
                "encoding": {"x": x, "y": _axis("smooth", "loss")},
            }
        )
    return {
        **_frame(200, "Training loss against step"),
        "data": {"values": values},
        "layer": layers,
    }


def dev_chart(dev: Sequence[tuple[int, float]], best_step: int) -> Spec:
    """Return the chart of dev nDCG@10 (percent); step 0 is the base, a ring marks what was kept."""
    values = [
        {"step": step, "ndcg": round(100 * value, 2), "kept": step == best_step}
        for step, value in dev
    ]
    x = _axis("step", "step (0 is the base model)", tickCount=5, format="d")
    y = _axis("ndcg", "dev nDCG@10, %")
    y["scale"] = {"zero": False, "nice": True, "padding": 8}
    tooltip = [
        {"field": "step", "type": "quantitative"},
        {"field": "ndcg", "type": "quantitative", "title": "dev nDCG@10, %", "format": ".1f"},
    ]
    line = {"type": "line", "stroke": "var(--c-tuned)", "strokeWidth": 2.25}
    dot = {"type": "point", "filled": True, "size": 45, "fill": "var(--c-tuned)", "opacity": 1}
    ring = {"type": "point", "size": 190, "stroke": "var(--c-tuned)", "strokeWidth": 2}
    return {
        **_frame(200, "Dev nDCG@10 against step"),
        "data": {"values": values},
        "encoding": {"x": x, "y": y, "tooltip": tooltip},
        "layer": [
            {"mark": line},
            {"mark": dot},
            {"transform": [{"filter": {"field": "kept", "equal": True}}], "mark": ring},
        ],
    }


def _frame(height: int, description: str) -> Spec:
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


def _axis(field: str, title: str, **options: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, "axis": options}


def _by_contender(curves: Sequence[Curve], looks: Sequence[Any]) -> Spec:
    labels = [curve.label for curve in curves]
    return {
        "field": "contender",
        "type": "nominal",
        "sort": labels,
        "scale": {"domain": labels, "range": list(looks)},
    }
