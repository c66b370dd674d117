"""What tuning changes beyond the user's questions: what it forgot, and how far vectors moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homing.numbers import (
    bare_percent,
    counted,
    measure_name,
    point_range,
    points,
)
from homing.reporting.data import ReportData
from homing.reporting.naming import listed
from homing.types import Drift, Forgetting


@dataclass(frozen=True, slots=True)
class ForgettingRow:
    """One general set; values in percent, `direction` "up", "down" or "level"."""

    name: str
    size: str
    measure: str
    base: str
    tuned: str
    difference: str
    difference_range: str
    direction: str


def forgetting_rows(data: ReportData) -> list[ForgettingRow]:
    """Return what became of each general set."""
    return [_row(found) for found in data.evaluation.forgetting]


def forgetting_sentence(found: Sequence[Forgetting]) -> str:
    """Return in one sentence whether the tuned model lost something; "" where nobody looked."""
    if not found:
        return ""
    worse = [f.name for f in found if f.difference.high < 0]
    better = [f.name for f in found if f.difference.low > 0]
    if worse:
        return (
            f"The tuned model finds less than the base on {listed(worse)}, which is not your data: "
            "keep the base for such questions."
        )
    if better:
        return f"The tuned model finds no less than the base, and more on {listed(better)}."
    return "There is no clear difference to the base on what is not your data."


def drift_sentence(drift: Drift | None) -> str:
    """Return in one sentence whether a stored index must be made again; "" where nobody looked."""
    if drift is None:
        return ""
    if drift.must_rebuild:
        return (
            "An index made with the base model must be made again: the passages' vectors moved, "
            "and vectors of the two models must not be mixed."
        )
    return "An index made with the base model can stay: every passage keeps its vector."


def drift_facts(drift: Drift | None) -> list[tuple[str, str, str]]:
    """Return (what, value, explanation) of each number that tells how far vectors moved."""
    if drift is None:
        return []
    facts = [
        ("Likeness, mean", f"{drift.mean_cosine:.3f}", "cosine of a passage's two vectors"),
        ("Likeness, 5th percentile", f"{drift.p05_cosine:.3f}", "one passage in twenty moved more"),
        (
            "Neighbours kept",
            f"{bare_percent(drift.neighbours_kept)} %",
            "of each passage's ten nearest",
        ),
    ]
    if drift.probe is not None:
        told = "rank correlation of likenesses, fixed sentences"
        facts.append(("General sentences", f"{drift.probe:.3f}", told))
    return facts


def _row(found: Forgetting) -> ForgettingRow:
    difference = found.difference
    return ForgettingRow(
        name=found.name,
        size=f"{counted(found.n_queries, 'question')}, {counted(found.n_passages, 'passage')}",
        measure=measure_name(found.measure),
        base=bare_percent(found.base),
        tuned=bare_percent(found.tuned),
        difference=points(difference.value),
        difference_range=point_range(difference),
        direction="up" if difference.low > 0 else "down" if difference.high < 0 else "level",
    )
