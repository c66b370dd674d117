"""How to train, and what is chosen where the user leaves it open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from homing.training.examples import Example

GIVEN_RATE, OFFLINE_RATE = 1e-4, 4e-5
"""Chosen in docs/experiments.md: what a rule made of a sentence needs a lighter hand than what a
person or a language model asked. Between the two, the share of passages decides."""
OFFLINE_PASSAGES_ON_CPU = 800
"""What offline questions teach levels off, and a laptop's minutes are short."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train; the defaults were chosen in `docs/experiments.md`.

    Attributes:
        epochs: Passes over the passages.
        learning_rate: Peak, after the warm-up; linear to zero then. None goes from `OFFLINE_RATE`
            to `GIVEN_RATE` by the share of passages that somebody asked about.
        batch_passages: Passages a batch; all others of the batch are negatives.
        questions_per_passage: Most questions of one passage in one batch.
        temperature: τ of the InfoNCE.
        whole_fraction: Share of passages shown whole although a question masks a part of them.
        warmup_fraction: Share of the steps over which the learning rate rises.
        weight_decay: Of AdamW.
        max_tokens: Sequence length; None leaves the model's own.
        max_offline_passages: Most passages that have questions of the offline writer alone; None
            takes `OFFLINE_PASSAGES_ON_CPU` on a CPU and all on a GPU.
        evaluations: How often dev is scored, evenly spread, the last at the end.
        seed: Of batches, choices and weights.
        device: "cpu", "cuda", "mps", or None for the best at hand.
    """

    epochs: int = 1
    learning_rate: float | None = None
    batch_passages: int = 16
    questions_per_passage: int = 2
    temperature: float = 0.05
    whole_fraction: float = 0.5
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    max_tokens: int | None = None
    max_offline_passages: int | None = None
    evaluations: int = 1
    seed: int = 0
    device: str | None = None


def settled(settings: TrainingSettings, examples: Sequence[Example]) -> TrainingSettings:
    """Return the settings with a number wherever None left the choice to us."""
    n_given = sum(example.is_given for example in examples)
    rate, most = settings.learning_rate, settings.max_offline_passages
    if most is None:
        most = OFFLINE_PASSAGES_ON_CPU if best_device(settings.device) == "cpu" else len(examples)
    if rate is None:
        n_offline = min(len(examples) - n_given, most)
        share = n_given / max(1, n_given + n_offline)
        rate = round(OFFLINE_RATE + share * (GIVEN_RATE - OFFLINE_RATE), 7)
    return replace(settings, learning_rate=rate, max_offline_passages=most)


def best_device(asked: str | None) -> str:
    """Return the device that was asked for, or the best at hand: "cuda", "mps" or "cpu"."""
    import torch

    if asked:
        return asked
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
