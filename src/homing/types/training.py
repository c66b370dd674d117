"""What training leaves for the report and the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """What training did, for the report and the manifest.

    Attributes:
        loss: (step, loss) pairs.
        dev: (step, dev nDCG@10) pairs; step 0 is the base model.
        kept: "tuned", or "base" when no checkpoint beat the base on dev.
        best_step: The step whose weights were kept.
        seconds: Wall time from the loaded model to the saved one.
        dev_seconds: What of it went into scoring dev.
    """

    loss: Sequence[tuple[int, float]]
    dev: Sequence[tuple[int, float]]
    kept: str
    best_step: int
    n_pairs: int
    n_passages: int
    n_tokens: int
    seconds: float
    dev_seconds: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
