"""What `full` can do where memory or time is short; `lora` takes it as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["query-to-passage", "passage-to-query", "query-to-query"]
BOTH_WAYS: tuple[Direction, ...] = ("query-to-passage", "passage-to-query")


@dataclass(frozen=True, slots=True)
class FullSettings:
    """How the weights of an encoder are trained; docs/training.md says what each is for.

    Attributes:
        micro_batch: Passages, and questions, in one forward pass; None for the whole batch. The
            gradients are those of the whole batch (GradCache, arXiv 2101.06983).
        accumulate: Batches whose gradients are averaged before a step.
        gradient_checkpointing: Keep no activations for the backward pass; compute them again.
        frozen_layers: The embeddings and so many of the lower layers do not learn; 0 for none.
        layer_decay: The rate of layer l of n is the peak times layer_decay ** (n - l).
        directions: What the InfoNCE averages.
        learn_temperature: Whether τ is learnt, from `temperature` on.
        guide: A model whose scores show false negatives in a batch (GIST, arXiv 2402.16829): a
            folder, a hub id, "base" for the base model, "" for none.
        guide_margin: A passage of the batch is left out where the guide scores it above this share
            of what it scores the right one.
    """

    micro_batch: int | None = None
    accumulate: int = 1
    gradient_checkpointing: bool = False
    frozen_layers: int = 0
    layer_decay: float = 1.0
    directions: tuple[Direction, ...] = BOTH_WAYS
    learn_temperature: bool = False
    guide: str = ""
    guide_margin: float = 1.0
