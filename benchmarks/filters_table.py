"""The results of `filters.py` for people: both directions, and which thresholds they speak for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.evaluation.significance import paired_difference
from homing.types import Interval

MEASURE = "ndcg@10"
NONE = "none"
Values = NDArray[np.float64]
Result = Mapping[str, Any]


def mean_by_query(rows: Sequence[Result]) -> Values:
    """Return the measure of each question, averaged over the seeds."""
    return np.mean([row[MEASURE] for row in rows], axis=0) if rows else np.empty(0)


def markdown(result: Result, names: Sequence[str]) -> str:
    """Return both directions together, then each on its own.

    Args:
        names: Every row, in the order of the table.
    """
    directions = result["directions"]
    known = [name for name in names if all(rows_of(d, name) for d in directions.values())]
    lines = together(directions, known) if NONE in known else []
    for writer, direction in directions.items():
        lines += [*apart(writer, direction, names), ""]
    cut = f"{result['settings']['max_tokens']} tokens a passage"
    machine = result["machine"]
    lines.append(f"{cut}, {machine['processor']}, {machine['cores']} cores.")
    return "\n".join(lines) + "\n"


def rows_of(direction: Result, name: str) -> list[Result]:
    """Return the rows of one filter, one for each seed."""
    return [row for row in direction["rows"] if row["filter"] == name]


def together(directions: Mapping[str, Result], names: Sequence[str]) -> list[str]:
    """Return a table of what each filter brings in both directions, and the best thresholds."""
    clusters = [f"{writer}/{c}" for writer, d in directions.items() for c in d["clusters"]]
    values = {
        name: np.concatenate([mean_by_query(rows_of(d, name)) for d in directions.values()])
        for name in names
    }
    lines = [
        f"Both directions, {len(clusters):,} test questions about {len(set(clusters)):,} passages:",
        "",
        f"| filter | kept | {MEASURE} | difference to none (95 %) | p |",
        "|---|---|---|---|---|",
    ]
    found: dict[str, Interval] = {}
    for name in names:
        kept = sum(rows_of(d, name)[0]["n_kept"] for d in directions.values())
        written = sum(rows_of(d, name)[0]["n_written"] for d in directions.values())
        cells = [name, f"{kept / written:.0%}", f"{values[name].mean():.4f}", "", ""]
        if name != NONE:
            found[name], p_value = paired_difference(values[name], values[NONE], clusters, seed=0)
            cells[3:] = [shown(found[name]), f"{p_value:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", *best_thresholds(found), ""]


def best_thresholds(found: Mapping[str, Interval]) -> list[str]:
    """Return a sentence for each filter that was run at several thresholds."""
    families: dict[str, dict[str, Interval]] = {}
    for name, difference in found.items():
        family, _, threshold = name.rpartition(" ")
        if threshold.replace(".", "").isdigit():
            families.setdefault(family, {})[threshold] = difference
    lines = []
    for family, by_threshold in families.items():
        best = max(by_threshold, key=lambda t: by_threshold[t].value)
        difference = by_threshold[best]
        sure = "no clear difference to no filter"
        if difference.low > 0:
            sure = "better than no filter"
        elif difference.high < 0:
            sure = "worse than no filter"
        lines.append(f"* {family}: {best} is best of {', '.join(by_threshold)}; {sure}")
    return lines


def apart(writer: str, direction: Result, names: Sequence[str]) -> list[str]:
    """Return the table of one direction."""
    base, clusters = np.array(direction["base"]), direction["clusters"]
    lines = [
        f"Trained on {writer}'s questions about Lyft, tested on {len(base)} of "
        f"{direction['tested_on']} about Uber ({len(set(clusters))} passages asked about). The "
        f"base model has {base.mean():.4f}.",
        "",
        f"| filter | questions kept | {MEASURE} | difference to none (95 %) | p | seeds |",
        "|---|---|---|---|---|---|",
    ]
    none = mean_by_query(rows_of(direction, NONE))
    for name in names:
        if not (rows := rows_of(direction, name)):
            continue
        values, row = mean_by_query(rows), rows[0]
        cells = [name, f"{row['n_kept']:,} of {row['n_written']:,}", f"{values.mean():.4f}", "", ""]
        if "same_as" in row:
            cells[3] = f"the same questions as {row['same_as']}"
        elif name != NONE and len(none):
            difference, p_value = paired_difference(values, none, clusters, seed=0)
            cells[3:] = [shown(difference), f"{p_value:.2f}"]
        lines.append(f"| {' | '.join(cells)} | {len(rows)} |")
    return lines


def shown(difference: Interval) -> str:
    """Return a difference with its interval."""
    return f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
