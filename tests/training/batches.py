"""A batch of the handbook as the Trainer hands it to the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from test_trainer import handbook

from homing.training.collating import PassageCollator
from homing.training.examples import training_examples
from homing.training.models import load_for_training
from homing.training.settings import TrainingSettings


def tuned(folder: Path) -> Any:
    """Return the tiny model as training loads it."""
    model = load_for_training(str(folder), TrainingSettings(device="cpu"))
    model.train()
    return model


def a_batch(model: Any, n: int = 12, **keywords: Any) -> tuple[list[dict[str, Any]], Any]:
    """Return [passages, questions], tokenised, and the labels, of `n` passages."""
    examples = training_examples(handbook(), "train")
    collator = PassageCollator(
        examples, model, n_questions=2, whole_fraction=0.5, seed=0, **keywords
    )
    batch = collator([{"position": i} for i in range(n)])
    sides: list[dict[str, Any]] = [
        {key[len(name) + 1 :]: value for key, value in batch.items() if key.startswith(name)}
        for name in ("passage", "question")
    ]
    return sides, batch["label"]


def copies(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the features for one more pass, which adds to what it is given."""
    return [dict(side) for side in features]
