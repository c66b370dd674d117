"""The results of `scifact.py` for people: every row on dev, the chosen ones on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from homing.evaluation.significance import paired_difference

BASE = "base"
REWORDED, ASKED, NEW = "reworded", "asked about", "new"
KINDS = (REWORDED, ASKED, NEW)
"""A training claim says nearly the same; is about the same abstract; neither."""
Result = Mapping[str, Any]


def markdown(result: Result, names: Sequence[str]) -> str:
    """Return the table of dev and that of test.

    Args:
        names: Every row, in the order of the tables.
    """
    rows = {name: result["rows"][name] for name in names if name in result["rows"]}
    kinds = result["kinds"]
    of_dev = [kinds["dev"][key] for key in result["dev_ids"]]
    lines = on_dev({name: row for name, row in rows.items() if "dev" in row}, of_dev)
    tested = {name: row for name, row in rows.items() if "test" in row}
    if tested:
        lines += ["", *on_test(tested, kinds["test"])]
    machine = result["machine"]
    lines += ["", f"256 tokens, one seed, {machine['processor']}, {machine['cores']} cores."]
    return "\n".join(lines) + "\n"


def on_dev(rows: Mapping[str, Result], kinds: Sequence[str]) -> list[str]:
    """Return what each row reached on dev."""
    lines = [
        f"nDCG@10 on {len(kinds)} dev claims, among the abstracts that answer one or are ranked "
        "first for one:",
        "",
        f"| row | pairs | dense | {' | '.join(counted(kinds))} | with BM25, half and half | "
        "with BM25, best weight |",
        "|---" * 8 + "|",
    ]
    for name, row in rows.items():
        values = {weight: float(np.mean(of_all)) for weight, of_all in row["dev"].items()}
        best = max(values, key=lambda weight: values[weight])
        n_pairs = row["training"].get("n_pairs")
        cells = [name, f"{n_pairs:,}" if n_pairs else "–", f"{values['1']:.3f}"]
        cells += [*by_kind(row["dev"]["1"], kinds), f"{values['0.5']:.3f}"]
        lines.append(f"| {' | '.join(cells)} | {values[best]:.3f} ({best}) |")
    return lines


def on_test(rows: Mapping[str, Result], kind_of: Mapping[str, str]) -> list[str]:
    """Return what each row reached on test, with intervals and differences to the base model's."""
    first = next(iter(rows.values()))["test"]
    kinds = [kind_of[key] for key in first["query_ids"]]
    lines = [
        f"nDCG@10 on the {len(kinds)} test claims over all abstracts; BM25 alone has "
        f"{np.mean(first['values']['bm25']):.3f} "
        f"({', '.join(by_kind(first['values']['bm25'], kinds))}). Beside the mean over claims of "
        "a kind, the 95 % interval of its difference to the base model's:",
        "",
        f"| row | dense (95 %) | against base | {' | '.join(counted(kinds))} | with BM25 (95 %) | "
        "against base with BM25 | its weight |",
        "|---" * 9 + "|",
    ]
    for name, row in rows.items():
        test = row["test"]
        cells = [name, *of(test, "dense", rows), *against_by_kind(test, rows, kinds)]
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
    chance = "p < 0.001" if p < 0.001 else f"p {p:.3f}"
    low, high = difference.low, difference.high
    return mean, f"{difference.value:+.3f} ({low:+.3f} to {high:+.3f}), {chance}"


def against_by_kind(test: Result, rows: Mapping[str, Result], kinds: Sequence[str]) -> list[str]:
    """Return the mean over the claims of each kind, and how it differs from the base model's."""
    means = by_kind(test["values"]["dense"], kinds)
    base = rows.get(BASE, {}).get("test")
    if base is None or base is test:
        return means
    cells = []
    for mean, kind in zip(means, KINDS, strict=True):
        chosen = [row for row, other in enumerate(kinds) if other == kind]
        values, others = (np.array(one["values"]["dense"])[chosen] for one in (test, base))
        clusters = [test["clusters"][row] for row in chosen]
        difference, _ = paired_difference(values, others, clusters, seed=0)
        cells.append(f"{mean} ({difference.low:+.3f} to {difference.high:+.3f})")
    return cells


def counted(kinds: Sequence[str]) -> list[str]:
    """Return each kind of claims with how many there are."""
    return [f"{kind} ({kinds.count(kind)})" for kind in KINDS]


def by_kind(values: Sequence[float], kinds: Sequence[str]) -> list[str]:
    """Return the mean over the claims of each kind."""
    table = np.array(values)
    return [f"{table[[k == kind for k in kinds]].mean():.3f}" for kind in KINDS]
