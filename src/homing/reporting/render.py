"""The report: one HTML page that holds all it shows and connects to nothing.

The page is made from its data alone, without a clock, so equal data give equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from homing import numbers
from homing.reporting.chapters import (
    contender_parts,
    evidence_parts,
    making_parts,
    opening_parts,
    question_parts,
)
from homing.reporting.charts import Spec
from homing.reporting.data import ReportData
from homing.reporting.drawing import draw_charts
from homing.reporting.looks import DASHES, SHAPES
from homing.reporting.naming import short_name
from homing.reporting.packing import as_json
from homing.reporting.rejections import in_words
from homing.reporting.scripts import (
    chart_libraries,
    content_policy,
    licences,
    packed_libraries,
    page_script,
    style_sheet,
)
from homing.reporting.spreadsheet import leaderboard_csv

CONTENTS = {
    "contenders": "Contenders",
    "depth": "Hit rate",
    "costs": "Costs",
    "slices": "Slices",
    "won-and-lost": "Won and lost",
    "labels": "Labels",
    "unjudged": "Unjudged",
    "elsewhere": "Elsewhere",
    "training": "Training",
    "questions": "Questions",
    "funnel": "Funnel",
    "dropped": "Dropped",
    "audit": "Audit",
    "use": "Use it",
    "made": "Made with",
}


def render_report(data: ReportData) -> str:
    """Return the report as one self-contained HTML page, about 0.7 MB and below 3 MB.

    All text of documents and questions is data: it is escaped, and the page's policy runs no script
    but its own. Without JavaScript the charts are missing and their numbers stand in tables, and of
    the questions won and lost those are there that changed the most.

    Raises:
        KeyError: If a contender lacks hit@5, by which contenders are ordered.
    """
    charts = draw_charts(data)
    parts = {
        **opening_parts(data),
        **contender_parts(data),
        **question_parts(data),
        **evidence_parts(data),
        **making_parts(data),
    }
    return (
        _environment()
        .get_template("report.html")
        .render(
            data=data,
            name_of=lambda name: short_name(data, name),
            charts=charts,
            contents=_contents(data, parts),
            **_page_parts(data, charts),
            **parts,
        )
    )


def _page_parts(data: ReportData, charts: Mapping[str, Spec]) -> dict[str, Any]:
    """Return what the page is built from whatever it reports: scripts, style, licences."""
    page_data = {"charts": charts, "csv": leaderboard_csv(data)}
    # Markup: our own files, and JSON or base64 in which no character can be taken for markup.
    return {
        "policy": content_policy([page_script(), *chart_libraries()]),
        "script": Markup(page_script()),  # noqa: S704
        "libraries": Markup(packed_libraries()),  # noqa: S704
        "licences": Markup(licences()),  # noqa: S704
        "page_data": Markup(as_json(page_data)),  # noqa: S704
        "style_sheet": Markup(style_sheet()),  # noqa: S704
        "dashes": DASHES,
        "shapes": SHAPES,
    }


def _contents(data: ReportData, parts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the chapters that are there, as (anchor, label)."""
    there = {
        "costs": parts["cost_rows"],
        "slices": parts["forest"],
        "won-and-lost": parts["outcomes"],
        "labels": parts["suspicions"],
        "unjudged": parts["unjudged_rows"],
        "elsewhere": data.evaluation.forgetting or data.evaluation.drift,
        "training": data.training,
        "funnel": data.funnel,
    }
    return [(anchor, label) for anchor, label in CONTENTS.items() if there.get(anchor, True)]


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
