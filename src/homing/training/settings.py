"""How to train, and what is chosen where the user leaves it open.

Each field, and each group of fields that one recipe has for itself, stands under the same name in
`homing.settings.TrainSettings`, with its description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from homing.training.examples import Example

GIVEN_WEIGHT, OFFLINE_WEIGHT = 1.0, 0.5
"""Of the tuned weights in their average with the base's. Chosen in docs/experiments.md: what a rule
made of a sentence needs a lighter hand than what a person or a language model asked. Between the
two, the share of passages decides."""
OFFLINE_PASSAGES_ON_CPU = 800
"""What offline questions teach levels off, and a laptop's minutes are short."""
RecipeName = Literal["full"]
EPOCHS_AND_RATE: Mapping[RecipeName, tuple[int, float]] = {"full": (1, 1e-4)}
"""Recipe -> epochs and peak learning rate where none is given."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train; the defaults were chosen in `docs/experiments.md`.

    Attributes:
        recipe: The way to tune; a module of `training/recipes/`.
        epochs: Passes over the passages; None takes what suits the recipe (`EPOCHS_AND_RATE`).
        learning_rate: Peak, after the warm-up; linear to zero then. None as with `epochs`.
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

    recipe: RecipeName = "full"
    epochs: int | None = None
    learning_rate: float | None = None
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

    @property
    def n_epochs(self) -> int:
        """Passes over the passages, the recipe's own where none was given."""
        return EPOCHS_AND_RATE[self.recipe][0] if self.epochs is None else self.epochs

    @property
    def peak_rate(self) -> float:
        """Peak learning rate, the recipe's own where none was given."""
        rate = self.learning_rate
        return EPOCHS_AND_RATE[self.recipe][1] if rate is None else rate


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
    return replace(
        settings,
        epochs=settings.n_epochs,
        learning_rate=settings.peak_rate,
        merge_weight=weight,
        max_offline_passages=most,
    )


def best_device(asked: str | None) -> str:
    """Return the device that was asked for, or the best at hand: "cuda", "mps" or "cpu"."""
    import torch

    if asked:
        return asked
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
