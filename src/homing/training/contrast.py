"""The loss as the module that sentence-transformers' Trainer calls: encoding, then contrast."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from homing.errors import UsageError
from homing.training.keeping import KEPT, KeptOutputs
from homing.training.losses import embed_by_length, info_nce, over_prefixes
from homing.training.settings import TrainingSettings
from homing.training.together import everyones

if TYPE_CHECKING:
    from torch import Tensor

QUESTION_PARTS = 4
"""Questions of one batch differ in length more than its passages, which the sampler sorts."""
TEMPERATURES = (0.01, 0.2)
"""A learnt temperature stays between these: below, one negative decides; above, none does."""
LOG_TAU = "log_tau"
TEMPERATURE_RATE = 100
"""A learnt temperature moves at so many times the rate of the weights: it is one number, and a
job has few steps."""


def make_loss(
    model: Any,
    settings: TrainingSettings,
    *,
    dimensions: tuple[int, ...] = (),
    lower: KeptOutputs | None = None,
) -> Any:
    """Return the loss; its `forward(features, labels)` takes [passages, questions], tokenised.

    Args:
        model: A SentenceTransformer.
        settings: Temperature, and what `settings.full` says of directions.
        dimensions: Lengths of the prefixes whose losses are averaged; none for whole vectors.
        lower: Keeps what the frozen layers give; None where none are frozen, or nothing is kept.
    """
    import torch

    full = settings.full

    class Contrast(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.n_questions = 0
            if full.learn_temperature:
                self.log_tau = torch.nn.Parameter(torch.tensor(math.log(settings.temperature)))

        def forward(self, features: list[dict[str, Any]], labels: Tensor) -> Tensor:
            passages, questions = self.prepared(features)
            p = self.embed(passages)
            return self.contrast(embed_by_length(self.embed, questions, QUESTION_PARTS), p, labels)

        def prepared(self, features: list[dict[str, Any]]) -> list[dict[str, Any]]:
            """Return the features with what the frozen layers make of them, where that is kept."""
            return [lower.added(side) for side in features] if lower else features

        def embed(self, features: dict[str, Any]) -> Tensor:
            """Return the embeddings of some rows, (rows, d)."""
            if lower is None or KEPT not in features:
                return self.model(features)["sentence_embedding"]
            with lower.skipped(features):
                return self.model(features)["sentence_embedding"]

        def contrast(self, questions: Tensor, passages: Tensor, labels: Tensor) -> Tensor:
            """Return the loss of this process's questions and passages among everyone's."""
            n_questions, n_passages = labels.shape
            self.n_questions += n_questions
            tau = self.temperature()
            return over_prefixes(
                lambda q, p: info_nce(q, p, labels, tau, full.directions),
                everyones(questions, n_questions),
                everyones(passages, n_passages),
                dimensions,
            )

        def temperature(self) -> Any:
            """Return τ: the one that was given, or as it has been learnt so far."""
            if not full.learn_temperature:
                return settings.temperature
            with torch.no_grad():
                self.log_tau.clamp_(*map(math.log, TEMPERATURES))
            return self.log_tau.exp()

    return Contrast()


def prefixes(model: Any, asked: tuple[int, ...]) -> tuple[int, ...]:
    """Return the lengths of vectors to train, the whole one first; () where it is the only one.

    Raises:
        UsageError: One is longer than the model's vectors.
    """
    whole = int(model.get_embedding_dimension() or 0)
    if asked and max(asked) > whole:
        raise UsageError(
            f"The model's vectors have {whole} dimensions, so none can be cut to {max(asked)}. "
            "Take shorter ones with --dimensions."
        )
    return tuple(sorted({whole, *asked}, reverse=True)) if set(asked) - {whole} else ()
