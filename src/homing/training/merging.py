"""The average of base and tuned weights: what was learnt, with less of what was forgotten.

Along the line between the two (LM-Cocktail, arXiv 2311.13534; WiSE-FT, arXiv 2109.01903) a model
keeps most of what tuning taught, and more of what it knew, than one that was tuned less.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Merge:
    """Averages a model in training with the weights that it had when this was made.

    Args:
        model: Still with the base's weights.
        weight: Of the tuned weights in the average, in (0, 1]; 1 changes nothing.
    """

    def __init__(self, model: SentenceTransformer, weight: float) -> None:
        self.weight = weight
        self._base = _copies(model) if weight < 1 else {}

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


def _copies(model: SentenceTransformer) -> dict[str, Any]:
    return {
        name: value.detach().clone()
        for name, value in model.state_dict().items()
        if value.is_floating_point()
    }
