"""A large batch in little memory: gradients replayed part by part (GradCache, arXiv 2101.06983).

The contrast needs every vector of the batch, but not every activation. So the vectors are computed
without a graph, part by part; the loss of all of them gives a gradient for each vector; then each
part is computed once more, with its graph, and its vectors' gradients are carried on from there.
The gradients are those of one pass, up to rounding, since nothing in a part is random: dropout is
off.

Cost: one more forward pass; the activations of one part in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from homing.training.losses import parts_by_length

if TYPE_CHECKING:
    from torch import Tensor


def cached_backward(
    loss: Any,
    features: list[dict[str, Any]],
    labels: Tensor,
    micro_batch: int,
    backward: Callable[[Tensor], None],
) -> Tensor:
    """Return the loss of a batch, without a graph, after its gradients were added to the weights'.

    Args:
        loss: As `contrast.make_loss` makes it.
        features: Of passages and questions, tokenised.
        labels: (n_q, n_p).
        micro_batch: Most rows in one forward pass.
        backward: Runs the backward pass of a loss, scaled as a step wants it.
    """
    import torch

    parts, vectors = [], []
    for side in loss.prepared(features):
        split = parts_by_length(side, -(-len(side["attention_mask"]) // micro_batch))
        with torch.no_grad():
            found = torch.cat([loss.embed(dict(part)) for _, part in split])
        order = torch.cat([rows for rows, _ in split])
        vectors.append(found[order.argsort()].requires_grad_())
        parts += [(len(vectors) - 1, rows, part) for rows, part in split]
    value: Tensor = loss.contrast(vectors[1], vectors[0], labels)
    backward(value)
    gradients = [side.grad for side in vectors]
    # The processes average their gradients in the last backward pass of a step.
    for (side, rows, part), averaging in zip(
        parts, _averaging_last(loss.model, len(parts)), strict=True
    ):
        with averaging:
            (loss.embed(dict(part)) * gradients[side][rows]).sum().backward()
    return value.detach()


def _averaging_last(model: Any, n: int) -> Iterator[AbstractContextManager[Any]]:
    wait = getattr(model, "no_sync", nullcontext)
    for i in range(n):
        yield wait() if i < n - 1 else nullcontext()
