"""How to train, and what is chosen where the user leaves it open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from homing.training.examples import Example

GIVEN_WEIGHT, OFFLINE_WEIGHT = 1.0, 0.5
"""Of the tuned weights in their average with the base's. Chosen in docs/experiments.md: what a rule
made of a sentence needs a lighter hand than what a person or a language model asked. Between the
two, the share of passages decides."""
OFFLINE_PASSAGES_ON_CPU = 800
"""What offline questions teach levels off, and a laptop's minutes are short."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train; the defaults were chosen in `docs/experiments.md`.

    Attributes:
        epochs: Passes over the passages.
        learning_rate: Peak, after the warm-up; linear to zero then.
        batch_passages: Passages a batch; all others of the batch are negatives.
        questions_per_passage: Most questions of one passage in one batch.
        temperature: τ of the InfoNCE.
        whole_fraction: Share of passages shown whole although a question masks a part of them.
        warmup_fraction: Share of the steps over which the learning rate rises.
        weight_decay: Of AdamW.
        merge_weight: Of the tuned weights in their average with the base's, in (0, 1]; 1 leaves
            the tuned weights as they are. None goes from `OFFLINE_WEIGHT` to `GIVEN_WEIGHT` by
            the share of passages that somebody asked about.
        max_tokens: Sequence length; None leaves the model's own.
        max_offline_passages: Most passages that have questions of the offline writer alone; None
            takes `OFFLINE_PASSAGES_ON_CPU` on a CPU and all on a GPU.
        evaluations: How often dev is scored, evenly spread, the last at the end.
        seed: Of batches, choices and weights.
        device: "cpu", "cuda", "mps", or None for the best at hand.
    """

    epochs: int = 1
    learning_rate: float = 1e-4
    batch_passages: int = 16
    questions_per_passage: int = 2
    temperature: float = 0.05
    whole_fraction: float = 0.5
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    merge_weight: float | None = None
    max_tokens: int | None = None
    max_offline_passages: int | None = None
    evaluations: int = 1
    seed: int = 0
    device: str | None = None


def settled(settings: TrainingSettings, examples: Sequence[Example]) -> TrainingSettings:
    """Return the settings with a number wherever None left the choice to us."""
    n_given = sum(example.is_given for example in examples)
    weight, most = settings.merge_weight, settings.max_offline_passages
    if most is None:
        most = OFFLINE_PASSAGES_ON_CPU if best_device(settings.device) == "cpu" else len(examples)
    if weight is None:
        n_offline = min(len(examples) - n_given, most)
        share = n_given / max(1, n_given + n_offline)
        weight = round(OFFLINE_WEIGHT + share * (GIVEN_WEIGHT - OFFLINE_WEIGHT), 4)
    return replace(settings, merge_weight=weight, max_offline_passages=most)


def best_device(asked: str | None) -> str:
    """Return the device that was asked for, or the best at hand: "cuda", "mps" or "cpu"."""
    import torch

    if asked:
        return asked
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
