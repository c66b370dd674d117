"""What training leaves for the report and the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to tune that was tried, or a way to do without.

    Attributes:
        name: For people, such as "full, rate 4e-05".
        recipe: "base" for no tuning, else the recipe.
        dev: nDCG@10 on the dev questions, in [0, 1].
        fused: The same, fused with BM25 half and half.
        seconds: Wall time of training; 0.0 where there was none.
        fraction: Share of the training passages that it learnt from.
        general: nDCG@10 on questions that are not the user's; None where it was not measured.
        is_kept: Whether this is what was handed over.
        note: Why it went no further, or why it was kept; may be empty.
    """

    name: str
    recipe: str
    dev: float
    fused: float
    seconds: float = 0.0
    fraction: float = 1.0
    general: float | None = None
    is_kept: bool = False
    note: str = ""


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
        false_negative_fraction: Estimated share of probable answers among the candidates that were
            looked at for hard negatives, in [0, 1]; None where none were mined.
        index_stays: Whether passages have the vectors that the base model gave them, so that an
            index made with it stays valid.
        note: What is to be known of what was kept, such as why nothing was, or that the learning
            rate had to be halved; may be empty.
        trials: What was tried before this was kept, in order; empty where one recipe was asked for.
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
    trials: Sequence[Trial] = ()

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> TrainingLog:
        """Return the log of which `dataclasses.asdict` made these values, read back from JSON."""
        log = dict(values)
        for name in ("loss", "dev"):
            log[name] = [(int(step), float(value)) for step, value in log[name]]
        log["trials"] = tuple(Trial(**trial) for trial in log.get("trials", ()))
        return TrainingLog(**log)

    false_negative_fraction: float | None = None
    index_stays: bool = False
    note: str = ""
