"""The results of `certainty.py` as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LOW, HIGH = 0.93, 0.97
ENOUGH = 10
"""Questions of the rarer kind (misses, or those on which contenders differ) that tell something."""
KINDS = {"hit@5": "rare", "difference in hit@5": "differing", "difference in ndcg@10": "differing"}


def markdown(result: Mapping[str, Any]) -> str:
    """Return every part under its heading."""
    machine = result["machine"]
    return "\n".join(
        [
            f"Every number is over {result['n_sets']:,} simulated test sets of which the truth is "
            "known; its own standard error is about 0.7 points at 95 % and at 5 %.",
            "",
            "## Do 95 % intervals hold the truth?",
            "",
            *_coverage(result["coverage"]),
            "",
            "## Does the test keep its level, and find what it is said to find?",
            "",
            *_tests(result["tests"]),
            "",
            "## What the verdict says where nothing is better",
            "",
            *_verdicts(result["no_gain"], "rivals", lambda row: len(row["gains"])),
            "",
            "## What the verdict says where one of three rivals is better",
            "",
            *_verdicts(result["gain"], "points gained", lambda row: f"{100 * row['gains'][0]:g}"),
            "",
            f"{result['seconds']:,} s. {machine['processor']}, {machine['cores']} cores. "
            "`python benchmarks/certainty.py`",
            "",
        ]
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return a table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]


def _coverage(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return coverage by number of clusters, where there is enough to go by and where not."""
    rows = []
    for kind, events in KINDS.items():
        for n in dict.fromkeys(cell["clusters"] for cell in cells):
            for is_enough in (True, False):
                mine = [
                    cell[kind]
                    for cell in cells
                    if cell["clusters"] == n and (cell[events] >= ENOUGH) == is_enough
                ]
                if mine:
                    rows.append(
                        [kind, n, f"{ENOUGH} or more" if is_enough else "fewer", *_row(mine)]
                    )
    head = [
        "interval of",
        "clusters",
        "telling questions",
        "cells",
        "93 to 97 %",
        "mean",
        "least",
        "most",
    ]
    return [
        "Telling questions: the misses (or the hits, if they are fewer); for differences, the "
        "questions that one contender hits and the other misses. The cells: 1, 2, 6 or 1 to 6 "
        "questions in a cluster, hit rates of 50, 75, 90 and 95 % (and 3 points more), clusters "
        "that account for 0, 20 or 50 % of what makes questions hard.",
        "",
        *table(head, rows),
    ]


def _row(values: Sequence[float]) -> list[str]:
    inside = sum(LOW <= round(value, 6) <= HIGH for value in values)
    return [
        str(len(values)),
        str(inside),
        _percent(sum(values) / len(values)),
        _percent(min(values)),
        _percent(max(values)),
    ]


def _tests(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        [
            cell["clusters"],
            cell["per_cluster"] or "1 to 6",
            _percent(cell["false"]["hit@5"]),
            _percent(cell["false"]["ndcg@10"]),
            f"{100 * cell['detectable']:.1f}" if "detectable" in cell else "none",
            _percent(cell["found"]) if "found" in cell else "",
        ]
        for cell in cells
    ]
    head = [
        "clusters", "questions in each", "found without a difference, hit@5", "the same, nDCG@10",
        "said to be detectable, points", "found with that difference",
    ]  # fmt: skip
    return [
        "Hit rate 75 %, clusters that account for 20 %. Without a difference the test is exact, so "
        "that more than 5 % is chance. Detectable: the median over the sets; none where that is "
        "more than the 25 points that are left to gain.",
        "",
        *table(head, rows),
    ]


def _verdicts(rows: Sequence[Mapping[str, Any]], named: str, name_of: Any) -> list[str]:
    decisions = ("deploy tuned", "deploy another", "keep base", "cannot tell")
    return table(
        ["questions", "clusters", named, *decisions],
        [
            [
                f"{row['questions']:,}",
                row["clusters"],
                name_of(row),
                *(_percent(row["decisions"].get(decision, 0.0)) for decision in decisions),
            ]
            for row in rows
        ],
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
