"""Which part of a model is trained, and how the model is saved afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from homing.training.models import save_model
from homing.training.settings import TrainingSettings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ADAPTER = "adapter"
"""Folder beside a model's own files: what was merged into its weights."""


class Part(Protocol):
    """What training changes of a model."""

    def is_averaged(self, name: str) -> bool:
        """Return whether a weight of the model's state is averaged with the base's."""
        ...

    def save(self, model: SentenceTransformer, out: Path) -> None:
        """Save the model, tuned and averaged, so that it loads like any other."""
        ...


PartOf = Callable[["SentenceTransformer", TrainingSettings], Part]
"""Makes the part of a model that is to be trained; the model may be changed for it."""


class Whole:
    """Every weight."""

    def is_averaged(self, name: str) -> bool:
        """Return True: each weight has its counterpart in the base."""
        return True

    def save(self, model: SentenceTransformer, out: Path) -> None:
        """Save the model as it is; what an earlier run left of an adapter is none of it."""
        shutil.rmtree(out / ADAPTER, ignore_errors=True)
        save_model(model, out)


def whole(model: SentenceTransformer, settings: TrainingSettings) -> Part:
    """Return the part that is all of a model."""
    return Whole()
