"""How long a question takes, original and export one after the other on this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from homing.progress import muted
from homing.types import Encoder

N_QUESTIONS, MOST_S = 50, 2.0
"""So many are embedded, each alone, or as many as this time allows."""
N_WARM_UP = 3
SETTLE_S = 0.3
"""Threads of one library go on spinning on the cores for a while after its last call."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians of embedding one question alone, text in, vector out, with all cores.

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

    @classmethod
    def from_json(cls, saved: Mapping[str, Any] | None) -> Speed | None:
        """Return what `dataclasses.asdict` gave, None for None."""
        return cls(**saved) if saved else None


def measure_speed(
    original: Encoder, exported: Encoder, questions: Sequence[str], processor: str
) -> Speed:
    """Return how fast both are on these questions. Cost: at most some `2 * MOST_S` seconds.

    Raises:
        ValueError: There is no question.
    """
    before, after = (_median_ms(encoder, questions) for encoder in (original, exported))
    return Speed(before, after, processor)


def _median_ms(encoder: Encoder, questions: Sequence[str]) -> float:
    if not questions:
        raise ValueError("Without a question no time can be taken.")
    time.sleep(SETTLE_S)
    taken: list[float] = []
    with muted():
        for text in questions[:N_WARM_UP]:
            encoder.encode_queries([text])
        for text in questions[:N_QUESTIONS]:
            started = time.perf_counter()
            encoder.encode_queries([text])
            taken.append(time.perf_counter() - started)
            if sum(taken) > MOST_S:
                break
    return 1000 * float(np.median(taken))
