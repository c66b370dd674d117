"""The results of `scifact.py` for people: every row on dev, the chosen ones on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from homing.evaluation.significance import paired_difference

BASE = "base"
Result = Mapping[str, Any]


def markdown(result: Result, names: Sequence[str]) -> str:
    """Return the table of dev and that of test.

    Args:
        names: Every row, in the order of the tables.
    """
    rows = {name: result["rows"][name] for name in names if name in result["rows"]}
    lines = on_dev(rows)
    tested = {name: row for name, row in rows.items() if "test" in row}
    if tested:
        lines += ["", *on_test(tested, set(result["known"]))]
    machine = result["machine"]
    lines += ["", f"256 tokens, one seed, {machine['processor']}, {machine['cores']} cores."]
    return "\n".join(lines) + "\n"


def on_dev(rows: Mapping[str, Result]) -> list[str]:
    """Return what each row reached on dev."""
    n = len(next(iter(rows.values()))["dev"]["1"]) if rows else 0
    lines = [
        f"nDCG@10 on {n} dev claims, among the abstracts that answer one or are ranked first for "
        "one:",
        "",
        "| row | pairs | dense | with BM25, half and half | with BM25, best weight |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        values = {weight: float(np.mean(of_all)) for weight, of_all in row["dev"].items()}
        best = max(values, key=lambda weight: values[weight])
        n_pairs = row["training"].get("n_pairs")
        pairs = f"{n_pairs:,}" if n_pairs else "–"
        lines.append(
            f"| {name} | {pairs} | {values['1']:.3f} | {values['0.5']:.3f} | "
            f"{values[best]:.3f} ({best}) |"
        )
    return lines


def on_test(rows: Mapping[str, Result], known: set[str]) -> list[str]:
    """Return what each row reached on test, with intervals and differences to the base model's."""
    first = next(iter(rows.values()))["test"]
    is_known = np.array([key in known for key in first["query_ids"]])
    n_known = int(is_known.sum())
    lines = [
        f"nDCG@10 on the {len(is_known)} test claims over all abstracts; BM25 alone has "
        f"{np.mean(first['values']['bm25']):.3f}. Of {n_known} claims an answer was seen in "
        f"training with another claim, of {len(is_known) - n_known} none was:",
        "",
        "| row | dense (95 %) | against base | seen | not seen | with BM25 (95 %) | "
        "against base with BM25 | its weight |",
        "|---" * 8 + "|",
    ]
    for name, row in rows.items():
        test = row["test"]
        cells = [name, *of(test, "dense", rows), *by_part(test, is_known)]
        cells += [*of(test, "fused", rows), test["chosen"].split(", chosen")[0]]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def of(test: Result, which: str, rows: Mapping[str, Result]) -> tuple[str, str]:
    """Return mean with interval, and the difference to the base model's."""
    low, high = test["intervals"][which]
    mean = f"{np.mean(test['values'][which]):.3f} ({low:.3f} to {high:.3f})"
    base = rows.get(BASE, {}).get("test")
    if base is None or base is test:
        return mean, ""
    values, others = (np.array(one["values"][which]) for one in (test, base))
    difference, p = paired_difference(values, others, test["clusters"], seed=0)
    return mean, (
        f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f}), p {p:.3f}"
    )


def by_part(test: Result, is_known: Any) -> tuple[str, str]:
    """Return the mean over claims whose abstract was seen in training, and over the others."""
    values = np.array(test["values"]["dense"])
    return f"{values[is_known].mean():.3f}", f"{values[~is_known].mean():.3f}"
