"""The verdict for a terminal: the sentences and a small table, in plain characters."""

from __future__ import annotations

import textwrap

from homing.numbers import (
    bare_percent,
    measure_name,
    percent_range,
    plain,
    point_range,
    points,
)
from homing.reporting.caveats import Caveat
from homing.reporting.contenders import (
    HEADLINE_MEASURE,
    baseline_of,
    find_comparison,
    ranked_contenders,
)
from homing.reporting.data import ReportData
from homing.reporting.naming import short_name
from homing.reporting.verdict import open_report

WIDTH = 88
OTHER_MEASURES = ("hit@1", "mrr@10", "ndcg@10")


def summary_lines(data: ReportData) -> list[str]:
    """Return the verdict, a table of all contenders in percent, and the caveats, line by line.

    No line of the table is wrapped; sentences are, at 88 columns.
    """
    opening = open_report(data)
    lines = [opening.headline, ""]
    for sentence in opening.sentences:
        lines += _wrapped(sentence)
    lines += ["", *_table(data)]
    if opening.caveats:
        lines.append("")
    for caveat in opening.caveats:
        lines += _caveat_lines(caveat)
    return [plain(line) for line in lines]


def _table(data: ReportData) -> list[str]:
    results = data.evaluation.contenders
    others = [m for m in OTHER_MEASURES if any(m in r.measures for r in results.values())]
    baseline = baseline_of(data)
    against_whom = f"against {baseline}" if baseline else ""
    header = ["", measure_name(HEADLINE_MEASURE), "95 % interval", against_whom]
    table = [[*header, *(measure_name(measure) for measure in others)]]
    for name in ranked_contenders(data):
        measures = results[name].measures
        interval = results[name].intervals.get(HEADLINE_MEASURE)
        comparison = baseline and find_comparison(data, name, baseline, HEADLINE_MEASURE)
        against = ""
        if comparison:
            against = (
                f"{points(comparison.difference.value)} ({point_range(comparison.difference)})"
            )
        table.append(
            [
                short_name(data, name),
                bare_percent(measures[HEADLINE_MEASURE]),
                percent_range(interval) if interval else "",
                against,
                *(bare_percent(measures[m]) if m in measures else "-" for m in others),
            ]
        )
    return _aligned(table)


def _aligned(table: list[list[str]]) -> list[str]:
    """Return the rows as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def _caveat_lines(caveat: Caveat) -> list[str]:
    return _wrapped(f"{'Warning' if caveat.serious else 'Note'}: {caveat.text}")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)
