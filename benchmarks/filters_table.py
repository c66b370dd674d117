"""The results of `filters.py` for people: both directions, and which thresholds they speak for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    known = [name for name in names if seeds_of(directions, name)]
    lines = together(directions, known) if NONE in known else []
    for writer, direction in directions.items():
        lines += [*apart(writer, direction, names), ""]
    cut = f"{result['settings']['max_tokens']} tokens a passage"
    machine = result["machine"]
    lines.append(f"{cut}, {machine['processor']}, {machine['cores']} cores.")
    return "\n".join(lines) + "\n"


def rows_of(direction: Result, name: str, seeds: Collection[int] | None = None) -> list[Result]:
    """Return the rows of one filter, one for each seed; None takes all seeds."""
    rows = [row for row in direction["rows"] if row["filter"] == name]
    return [row for row in rows if seeds is None or row["seed"] in seeds]


def seeds_of(directions: Mapping[str, Result], name: str) -> list[int]:
    """Return the seeds that a row was run with in every direction."""
    found = [{row["seed"] for row in rows_of(d, name)} for d in directions.values()]
    return sorted(set.intersection(*found)) if found else []


def values_of(directions: Mapping[str, Result], name: str, seeds: Collection[int]) -> Values:
    """Return the measure of each question of all directions, averaged over these seeds."""
    return np.concatenate([mean_by_query(rows_of(d, name, seeds)) for d in directions.values()])


def together(directions: Mapping[str, Result], names: Sequence[str]) -> list[str]:
    """Return a table of what each filter brings in both directions, and the best thresholds.

    A row is compared with the seeds of no filter that it was run with itself.
    """
    clusters = [f"{writer}/{c}" for writer, d in directions.items() for c in d["clusters"]]
    plain = ~np.concatenate([d["speaks_of_context"] for d in directions.values()])
    lines = [
        f"Both directions, {len(clusters):,} test questions about {len(set(clusters)):,} passages; "
        f"{plain.sum():,} of them do not speak of the passage as such. Differences are to none, in "
        "points, over the seeds that a row was run with.",
        "",
        f"| filter | kept | {MEASURE} | difference (95 %) | p | of each seed | "
        f"on the {plain.sum():,} alone |",
        "|---|---|---|---|---|---|---|",
    ]
    found: dict[str, Interval] = {}
    for name in names:
        kept = sum(rows_of(d, name)[0]["n_kept"] for d in directions.values())
        written = sum(rows_of(d, name)[0]["n_written"] for d in directions.values())
        if not (seeds := sorted({*seeds_of(directions, name)} & {*seeds_of(directions, NONE)})):
            continue
        values, none = (values_of(directions, n, seeds) for n in (name, NONE))
        cells = [name, f"{kept / written:.0%}", f"{values.mean():.4f}", "", "", "", ""]
        if name != NONE:
            found[name], p_value = paired_difference(values, none, clusters, seed=0)
            each = (
                values_of(directions, name, [seed]) - values_of(directions, NONE, [seed])
                for seed in seeds
            )
            cells[3:] = [
                shown(found[name]),
                f"{p_value:.2f}",
                ", ".join(points(by_query.mean()) for by_query in each),
                points((values - none)[plain].mean()),
            ]
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
    phrases = direction["phrases"]
    lines = [
        f"Trained on {writer}'s questions about Lyft, tested on {len(base)} of "
        f"{direction['tested_on']} about Uber ({len(set(clusters))} passages asked about). The "
        f"base model has {base.mean():.4f}. {phrases['n_with']} of the questions to learn from "
        f"speak of the passage as such, and {phrases['n_mended']} of these no longer do when "
        "phrases are left out.",
        "",
        f"| filter | questions kept | {MEASURE} | difference to none (95 %) | p | seeds |",
        "|---|---|---|---|---|---|",
    ]
    here = {writer: direction}
    for name in names:
        if not (rows := rows_of(direction, name)):
            continue
        values, row = mean_by_query(rows), rows[0]
        cells = [name, f"{row['n_kept']:,} of {row['n_written']:,}", f"{values.mean():.4f}", "", ""]
        seeds = sorted({*seeds_of(here, name)} & {*seeds_of(here, NONE)})
        if "same_as" in row:
            cells[3] = f"the same questions as {row['same_as']}"
        elif name != NONE and seeds:
            ours, none = (values_of(here, n, seeds) for n in (name, NONE))
            difference, p_value = paired_difference(ours, none, clusters, seed=0)
            cells[3:] = [shown(difference), f"{p_value:.2f}"]
        lines.append(f"| {' | '.join(cells)} | {len(rows)} |")
    return lines


def shown(difference: Interval) -> str:
    """Return a difference with its interval, in points."""
    return f"{points(difference.value)} ({points(difference.low)} to {points(difference.high)})"


def points(value: float) -> str:
    """Return a difference in hundredths, with its sign."""
    return f"{100 * value:+.1f}"
