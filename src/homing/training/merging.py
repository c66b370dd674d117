"""The average of base and tuned weights: what was learnt, with less of what was forgotten.

Along the line between the two (LM-Cocktail, arXiv 2311.13534; WiSE-FT, arXiv 2109.01903) a model
keeps most of what tuning taught, and more of what it knew, than one that was tuned less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.training.models import load_for_training, save_model
from homing.training.settings import TrainingSettings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Merge:
    """Averages a model in training with the weights that it had when this was made.

    Args:
        model: Still with the base's weights.
        weight: Of the tuned weights in the average, in (0, 1]; 1 changes nothing.
        is_averaged: Tells of a weight's name whether it takes part; None averages all.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        weight: float,
        is_averaged: Callable[[str], bool] | None = None,
    ) -> None:
        self.weight = weight
        copies = _copies(model) if weight < 1 else {}
        self._base = {n: v for n, v in copies.items() if is_averaged is None or is_averaged(n)}

    def apply(self, model: SentenceTransformer) -> None:
        """Put the average in the place of the model's weights."""
        import torch

        with torch.no_grad():
            for name, value in model.state_dict().items():
                if name in self._base:
                    value.copy_(torch.lerp(self._base[name].to(value.device), value, self.weight))

    @contextmanager
    def applied(self, model: SentenceTransformer) -> Iterator[None]:
        """Show the average for the time of a block; training then goes on where it was."""
        tuned = _copies(model) if self._base else {}
        self.apply(model)
        try:
            yield
        finally:
            for name, value in model.state_dict().items():
                if name in tuned:
                    value.copy_(tuned[name])


def save_average(
    base_model: str, tuned: Path, weight: float, out: Path, settings: TrainingSettings
) -> None:
    """Save the average of a base model and what was tuned from it; nothing is trained.

    Args:
        base_model: Folder or hub id.
        tuned: The folder of the tuned model, of the same architecture.
        weight: Of the tuned weights, in (0, 1].
        out: The model folder that is made.
    """
    import torch

    model = load_for_training(base_model, settings)
    learnt = load_for_training(str(tuned), settings).state_dict()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value.lerp_(learnt[name], weight)
    save_model(model, out)


def _copies(model: SentenceTransformer) -> dict[str, Any]:
    return {
        name: value.detach().clone()
        for name, value in model.state_dict().items()
        if value.is_floating_point()
    }
