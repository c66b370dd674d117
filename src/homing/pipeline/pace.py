"""How long training would take on this machine, from how long embedding took.

One forward pass over a passage is the unit; the factors are what the recipes took in units of it on
two cores (`benchmarks/results/recipes.json`, `two_reports.json`), rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass

FULL = 5.0
"""Forward and backward pass over a passage and its questions, and their share of the optimiser."""
QUESTION = 0.35
"""The same over one question, scored against the corpus."""
FEWEST_SECONDS = 0.5
"""What took less was not embedded but read from a cache, or is too little to judge by."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that one passage takes to embed with the base model."""

    passage_s: float

    def full_s(self, n_passages: int, epochs: int) -> float:
        """Return the seconds of `full` over so many passages."""
        return self.passage_s * FULL * n_passages * epochs

    def embedding_s(self, n_passages: int) -> float:
        """Return the seconds to embed a corpus."""
        return self.passage_s * n_passages

    def questions_s(self, n_questions: int, epochs: int) -> float:
        """Return the seconds of `query` over so many questions, the corpus embedded before."""
        return self.passage_s * QUESTION * n_questions * epochs


def measured(seconds: float, n_passages: int) -> Pace | None:
    """Return the pace at which so many passages were embedded, None where that tells nothing."""
    if seconds < FEWEST_SECONDS or not n_passages:
        return None
    return Pace(seconds / n_passages)
