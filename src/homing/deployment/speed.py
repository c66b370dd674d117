"""How long a question takes, original and export one after the other on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from homing.progress import muted
from homing.timing import one_by_one_s
from homing.types import Encoder

N_QUESTIONS, N_ROUNDS = 30, 3
"""Each question is embedded alone, once a round; its best time counts, for other work on the
machine slows some of its tries and not all."""
MOST_S = 1.0
"""Of a round: as many questions as this time allows."""
N_WARM_UP = 3
SETTLE_S = 0.3
"""Threads of one library go on spinning on the cores for a while after its last call."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over questions embedded alone, text in, vector out, with all cores.

    Attributes:
        original_ms: In float32.
        processor: What it was measured on, for people.
    """

    original_ms: float
    exported_ms: float
    processor: str

    @property
    def times(self) -> float:
        """How many times as fast as the original the export is."""
        return self.original_ms / self.exported_ms

    @property
    def text(self) -> str:
        """Both medians in words."""
        return (
            f"a question in {self.exported_ms:.1f} ms here, {self.original_ms:.1f} before "
            f"({self.times:.1f} ×)"
        )


def measure_speed(
    original: Encoder, exported: Encoder, questions: Sequence[str], processor: str
) -> Speed:
    """Return how fast both are on these questions. Cost: at most some `2 * N_ROUNDS * MOST_S` s.

    Raises:
        ValueError: There is no question.
    """
    if not questions:
        raise ValueError("Without a question no time can be taken.")
    encoders = (original, exported)
    rounds: tuple[list[list[float]], list[list[float]]] = ([], [])
    with muted():
        for _ in range(N_ROUNDS):
            for encoder, taken in zip(encoders, rounds, strict=True):
                taken.append(_seconds(encoder, questions[:N_QUESTIONS]))
    n = min(len(taken) for both in rounds for taken in both)
    before, after = (
        1000 * float(np.median(np.min([taken[:n] for taken in both], axis=0))) for both in rounds
    )
    return Speed(before, after, processor)


def _seconds(encoder: Encoder, questions: Sequence[str]) -> list[float]:
    """Return the time of each question alone, of those for which there is time."""
    time.sleep(SETTLE_S)
    for text in questions[:N_WARM_UP]:
        encoder.encode_queries([text])
    return one_by_one_s(encoder.encode_queries, questions, MOST_S)
