"""The results of `halves.py` for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from homing.evaluation.significance import paired_difference

REFERENCE = "full"
NAMES = {"gpt-3.5-turbo": "gpt-3.5-turbo", "mistral-7b-instruct": "Mistral"}
Result = Mapping[str, Any]


def markdown(result: Result, names: Sequence[str]) -> str:
    """Return one line for each row: hit@5 / nDCG@10, and how its nDCG@10 differs from `full`'s.

    Args:
        names: Every row, in the order of the table.
    """
    rows = {name: result["rows"][name] for name in names if name in result["rows"]}
    titles = [
        *(f"{label}" for label in NAMES.values()),
        "both, nDCG@10 against full (95 %)",
        *(f"with BM25, {label}" for label in NAMES.values()),
    ]
    lines = [f"| row | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for name, row in rows.items():
        cells = [
            *(pair(row, writer, "dense") for writer in NAMES),
            against(row, rows.get(REFERENCE)),
            *(pair(row, writer, "fused") for writer in NAMES),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    machine = result["machine"]
    lines += [
        "",
        "hit@5 / nDCG@10 on the questions about the other half of Lyft's report; one seed. "
        f"{machine['processor']}, {machine['cores']} cores.",
    ]
    return "\n".join(lines) + "\n"


def pair(row: Result, writer: str, way: str) -> str:
    """Return hit@5 / nDCG@10."""
    values = row["judged"][writer][way]
    hit, ndcg = (f"{np.mean(values[name]):.3f}" for name in ("hit@5", "ndcg@10"))
    return f"{hit} / {ndcg}"


def against(row: Result, reference: Result | None) -> str:
    """Return the difference of nDCG@10 over both writers' questions, paired by question."""
    if reference is None or row is reference:
        return ""
    clusters = [f"{w}/{c}" for w in NAMES for c in row["judged"][w]["clusters"]]
    values, others = (
        np.concatenate([np.array(one["judged"][w]["dense"]["ndcg@10"]) for w in NAMES])
        for one in (row, reference)
    )
    difference, _ = paired_difference(values, others, clusters, seed=0)
    return f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
