"""The rungs of the ladder, and which of them is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from homing.types import TrainingLog, Trial, Values

BOTH = "full-query"
SIMPLEST_FIRST = ("base", "adapter", "query", "full", BOTH)


@dataclass(frozen=True)
class Rung:
    """A trial with what is needed to keep it.

    Attributes:
        values: Dev nDCG@10 by question.
        folder: The model; None for the base.
        log: What its training did; None for the base.
    """

    trial: Trial
    values: Values
    folder: Path | None = None
    log: TrainingLog | None = None


def choose(rungs: Sequence[Rung], forgets: Callable[[Rung], bool] = lambda _: False) -> Rung:
    """Return the simplest rung within one standard error of the best.

    Of the same recipe the better on dev is taken, those that forget too much last. The standard
    error is that of the paired difference, questions as drawn.
    """
    order = {name: place for place, name in enumerate(SIMPLEST_FIRST)}
    best = max(rungs, key=lambda rung: (not forgets(rung), rung.trial.dev))
    ranked = sorted(rungs, key=lambda rung: (order.get(rung.trial.recipe, 99), -rung.trial.dev))
    return next(r for r in ranked if not (forgets(r) and r is not best) and is_as_good(r, best))


def is_as_good(rung: Rung, best: Rung) -> bool:
    """Tell whether a rung is less than one standard error behind another."""
    lead = best.values - rung.values
    error = float(lead.std(ddof=1)) / np.sqrt(len(lead)) if len(lead) > 1 else 0.0
    return rung is best or float(lead.mean()) < error


def why(rung: Rung, kept: Rung) -> str:
    """Return the note of a rung once it is known which is kept."""
    if rung is not kept:
        return rung.trial.note
    return "kept: nothing simpler comes within a standard error of the best on dev"
