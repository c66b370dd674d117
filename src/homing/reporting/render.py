"""The report: one HTML page that holds all it shows and connects to nothing.

The page is made from its data alone, without a clock, so equal data give equal bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from homing.reporting import numbers
from homing.reporting.charts import (
    DASHES,
    Spec,
    curve_cutoffs,
    dev_chart,
    hit_curve_chart,
    hit_curves,
    loss_chart,
)
from homing.reporting.data import ReportData
from homing.reporting.funnel import show_funnel
from homing.reporting.leaderboard import all_measures, big_numbers, measures_shown, rows, ticks
from homing.reporting.naming import short_name
from homing.reporting.outcomes import won_and_lost
from homing.reporting.rejections import group_rejections, in_words
from homing.reporting.scripts import chart_data, content_policy, licences, page_scripts
from homing.reporting.snippets import prompt_sentence, snippets
from homing.reporting.sources import question_source
from homing.reporting.verdict import UNIT_NAMES, judge
from homing.types import TrainingLog

CONTENTS = {
    "contenders": "Contenders",
    "depth": "Hit rate",
    "training": "Training",
    "questions": "Questions",
    "funnel": "Written and kept",
    "dropped": "Dropped",
    "audit": "Audit",
    "won-and-lost": "Won and lost",
    "use": "Use it",
    "made": "How it was made",
}
EXPLAINED = {
    "hit@5": "the right passage is among the first five",
    "ndcg@10": "how high the right passage stands in the first ten",
    "mrr@10": "one over the right passage's rank, averaged",
}


def render_report(data: ReportData) -> str:
    """Return the report as one self-contained HTML page, about 1 MB and below 3 MB.

    All text of documents and questions is data: it is escaped, and the page's policy runs no script
    but its own. Without JavaScript the charts are missing and their numbers stand in tables.

    Raises:
        KeyError: If a contender lacks hit@5, on which the verdict rests.
    """
    charts = _charts(data)
    return (
        _environment()
        .get_template("report.html")
        .render(
            data=data,
            name_of=lambda name: short_name(data, name),
            charts=charts,
            **_page_parts(charts),
            **_verdict_parts(data),
            **_evidence_parts(data),
        )
    )


def _page_parts(charts: Mapping[str, Spec]) -> dict[str, Any]:
    """Return what the page is built from whatever it reports: scripts, style, licences."""
    scripts = page_scripts()
    style_sheet = (files("homing.reporting") / "templates" / "report.css").read_text("utf-8")
    # Markup: our own files, and JSON in which no character can be taken for markup.
    return {
        "policy": content_policy(scripts),
        "scripts": [Markup(script) for script in scripts],  # noqa: S704
        "licences": Markup(licences()),  # noqa: S704
        "chart_data": Markup(chart_data(charts)),  # noqa: S704
        "style_sheet": Markup(style_sheet),  # noqa: S704
        "dashes": DASHES,
        "explained": EXPLAINED,
    }


def _verdict_parts(data: ReportData) -> dict[str, Any]:
    """Return the opening and the tables of contenders."""
    curves = hit_curves(data)
    table = rows(data)
    unit = data.evaluation.cluster_unit
    return {
        "verdict": judge(data),
        "source": question_source(data),
        "unit": UNIT_NAMES.get(unit, unit),
        "big": big_numbers(data),
        "rows": table,
        "against_base": any(row.difference for row in table),
        "ticks": ticks(data),
        "measures": measures_shown(data),
        "all_measures": all_measures(data),
        "labels": [short_name(data, name) for name in data.evaluation.contenders],
        "comparisons": data.evaluation.comparisons,
        "curves": curves,
        "cutoffs": curve_cutoffs(curves),
    }


def _evidence_parts(data: ReportData) -> dict[str, Any]:
    """Return what lies behind the verdict, and how to use the model."""
    outcomes = won_and_lost(data)
    absent = {"training"} if data.training is None else set()
    absent |= {"won-and-lost"} if outcomes is None else set()
    absent |= {"funnel"} if data.funnel is None else set()
    funnel = show_funnel(data.funnel, data.rejections) if data.funnel else None
    dropped = funnel.rest if funnel else data.rejections
    shared = data.audit.shared if data.audit else {}
    return {
        "contents": [(a, label) for a, label in CONTENTS.items() if a not in absent],
        "kept_dev": _kept_dev(data.training),
        "training_settings": _as_yaml(data.training.settings) if data.training else "",
        "kinds": data.dataset.questions,
        "splits": data.dataset.splits,
        "writer_label": _writer_label,
        "funnel_steps": funnel.steps if funnel else (),
        "n_dropped": len(dropped),
        "rejections": group_rejections(dropped),
        "audit_columns": list(dict.fromkeys(what for counts in shared.values() for what in counts)),
        "outcomes": outcomes,
        "prompt_sentence": prompt_sentence(data.model),
        "snippets": snippets(data.model),
        "timings": _timings(data.stage_seconds),
        "settings": _as_yaml(data.settings) if data.settings else "",
    }


def _charts(data: ReportData) -> dict[str, Spec]:
    charts = {"chart-hits": hit_curve_chart(hit_curves(data))}
    if data.training is not None:
        loss = [(step, value) for step, value in data.training.loss if math.isfinite(value)]
        dev = [(step, value) for step, value in data.training.dev if math.isfinite(value)]
        if len(loss) > 1:
            charts["chart-loss"] = loss_chart(loss)
        if len(dev) > 1:
            charts["chart-dev"] = dev_chart(dev, data.training.best_step)
    return charts


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("homing.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = (
        numbers.bare_percent,
        numbers.count,
        numbers.counted,
        numbers.duration,
        numbers.measure_name,
        numbers.p_value,
        numbers.percent,
        numbers.point_range,
        numbers.points,
        numbers.seconds,
        in_words,
    )
    environment.filters.update({function.__name__: function for function in shown})
    return environment


def _kept_dev(log: TrainingLog | None) -> str:
    """Return the way of dev nDCG@10 from base to what was kept, "61.2 → 68.9 %"."""
    dev = dict(log.dev) if log else {}
    if log is None or 0 not in dev or log.best_step not in dev:
        return ""
    return f"{numbers.bare_percent(dev[0])} → {numbers.percent(dev[log.best_step])}"


def _timings(stage_seconds: Mapping[str, float]) -> list[tuple[str, str]]:
    if not stage_seconds:
        return []
    rows = [(in_words(stage), numbers.duration(s)) for stage, s in stage_seconds.items()]
    return [*rows, ("Together", numbers.duration(sum(stage_seconds.values())))]


def _writer_label(writer: str) -> str:
    return {"extractive": "offline writer", "person": "people"}.get(writer, writer)


def _as_yaml(settings: Mapping[str, Any]) -> str:
    """Return settings as YAML; what YAML does not know, such as a path, as its text."""
    known = json.loads(json.dumps(dict(settings), default=str))
    return yaml.safe_dump(known, sort_keys=False, allow_unicode=True).strip()
