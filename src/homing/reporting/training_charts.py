"""The charts of training: loss, and the measure on dev by which the weights were chosen."""

from __future__ import annotations

from collections.abc import Sequence

from homing.reporting.charts import Spec, axis, frame

SMOOTHING_FROM = 40


def loss_chart(loss: Sequence[tuple[int, float]]) -> Spec:
    """Return the chart of the training loss; a running mean lies over long series."""
    values = [{"step": step, "loss": round(value, 5)} for step, value in loss]
    long = len(values) >= SMOOTHING_FROM
    x = axis("step", "step", tickCount=5, format="d")
    line: Spec = {
        "mark": {"type": "line", "stroke": "var(--c-tuned)", "opacity": 0.35 if long else 1},
        "encoding": {"x": x, "y": axis("loss", "loss")},
    }
    layers = [line]
    if long:
        half = max(2, len(values) // 30)
        smooth = {"op": "mean", "field": "loss", "as": "smooth"}
        layers.append(
            {
                "transform": [{"window": [smooth], "frame": [-half, half]}],
                "mark": {"type": "line", "stroke": "var(--c-tuned)", "strokeWidth": 2.25},
                "encoding": {"x": x, "y": axis("smooth", "loss")},
            }
        )
    return {
        **frame(200, "Training loss against step"),
        "data": {"values": values},
        "layer": layers,
    }


def dev_chart(dev: Sequence[tuple[int, float]], best_step: int) -> Spec:
    """Return the chart of dev nDCG@10 (percent); step 0 is the base, a ring marks what was kept."""
    values = [
        {"step": step, "ndcg": round(100 * value, 2), "kept": step == best_step}
        for step, value in dev
    ]
    x = axis("step", "step (0 is the base model)", tickCount=5, format="d")
    y = axis("ndcg", "dev nDCG@10, %")
    y["scale"] = {"zero": False, "nice": True, "padding": 8}
    tooltip = [
        {"field": "step", "type": "quantitative"},
        {"field": "ndcg", "type": "quantitative", "title": "dev nDCG@10, %", "format": ".1f"},
    ]
    line = {"type": "line", "stroke": "var(--c-tuned)", "strokeWidth": 2.25}
    dot = {"type": "point", "filled": True, "size": 45, "fill": "var(--c-tuned)", "opacity": 1}
    ring = {"type": "point", "size": 190, "stroke": "var(--c-tuned)", "strokeWidth": 2}
    return {
        **frame(200, "Dev nDCG@10 against step"),
        "data": {"values": values},
        "encoding": {"x": x, "y": y, "tooltip": tooltip},
        "layer": [
            {"mark": line},
            {"mark": dot},
            {"transform": [{"filter": {"field": "kept", "equal": True}}], "mark": ring},
        ],
    }
