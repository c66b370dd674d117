"""Which charts the page draws: those that there are numbers for."""

from __future__ import annotations

import math

from homing.reporting.charts import Spec, hit_curve_chart, hit_curves
from homing.reporting.cost_charts import index_chart, latency_chart
from homing.reporting.costs import cost_points
from homing.reporting.data import ReportData
from homing.reporting.training_charts import dev_chart, loss_chart
from homing.types import TrainingLog

MIN_POINTS = 2


def draw_charts(data: ReportData) -> dict[str, Spec]:
    """Return the id of each figure that the page draws -> its Vega-Lite specification."""
    charts = {"chart-hits": hit_curve_chart(hit_curves(data))}
    latency, index = cost_points(data, "p50_ms"), cost_points(data, "index_bytes")
    if len(latency) >= MIN_POINTS:
        charts["chart-latency"] = latency_chart(latency)
    if len(index) >= MIN_POINTS:
        charts["chart-index"] = index_chart(index)
    return charts | (_training_charts(data.training) if data.training else {})


def _training_charts(log: TrainingLog) -> dict[str, Spec]:
    charts = {}
    loss = [(step, value) for step, value in log.loss if math.isfinite(value)]
    dev = [(step, value) for step, value in log.dev if math.isfinite(value)]
    if len(loss) >= MIN_POINTS:
        charts["chart-loss"] = loss_chart(loss)
    if len(dev) >= MIN_POINTS:
        charts["chart-dev"] = dev_chart(dev, log.best_step)
    return charts
