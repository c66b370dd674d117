"""The layers of a transformer, counted from below: which learn, and how fast.

Nothing is known of any one architecture: the layers are the one list of as many modules as the
configuration names layers. What comes before them is whatever stands neither in them nor behind
them, so that what several layers share (relative positions, say) never learns above what is frozen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homing.errors import UsageError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True, slots=True)
class LayerStack:
    """The layers of a model, the lowest first.

    Attributes:
        layers: The module list.
        depths: Name of each of the model's parameters -> 0 for the embeddings, 1 … n for the
            layers, n as well for what comes after them.
    """

    layers: Any
    depths: dict[str, int]

    @property
    def n_layers(self) -> int:
        """How many there are."""
        return len(self.layers)


def find_layers(model: SentenceTransformer) -> LayerStack:
    """Return the layers of a model.

    Raises:
        UsageError: It has none that can be told apart, such as a static model, or one whose layers
            share their weights.
    """
    backbone = getattr(model[0], "auto_model", None)
    n = getattr(getattr(backbone, "config", None), "num_hidden_layers", 0)
    found = [
        (name, module)
        for name, module in (backbone.named_modules() if backbone is not None and n else ())
        if type(module).__name__ == "ModuleList" and len(module) == n
    ]
    if len(found) != 1:
        raise UsageError(
            f"The layers of {type(backbone or model[0]).__name__} cannot be told apart, so it can "
            "have neither train.full.frozen_layers nor train.full.layer_decay. Leave them out, or "
            "take another base model."
        )
    path, layers = found[0]
    assert backbone is not None
    depth_of = {
        id(parameter): i + 1 for i, layer in enumerate(layers) for parameter in layer.parameters()
    }
    behind = {id(parameter) for parameter in _behind(backbone, path)}
    inside = {id(parameter) for parameter in backbone.parameters()}
    depths = {}
    for name, parameter in model.named_parameters():
        above = id(parameter) in behind or id(parameter) not in inside
        depths[name] = depth_of.get(id(parameter), n if above else 0)
    return LayerStack(layers, depths)


def freeze(model: SentenceTransformer, n_frozen: int) -> LayerStack:
    """Return the layers, after the embeddings and the lowest `n_frozen` were kept from learning.

    Raises:
        UsageError: There are not that many, or none would be left to learn.
    """
    stack = find_layers(model)
    if n_frozen >= stack.n_layers:
        raise UsageError(
            f"train.full.frozen_layers is {n_frozen}, but the model has {stack.n_layers} layers "
            f"and one must learn. Take at most {stack.n_layers - 1}."
        )
    for name, parameter in model.named_parameters():
        if stack.depths[name] <= n_frozen:
            parameter.requires_grad_(False)
    return stack


def layer_rates(model: SentenceTransformer, peak: float, decay: float) -> dict[str, float]:
    """Return a pattern of parameter names -> peak learning rate, for those below the peak.

    The rate of layer l of n is peak · decay^(n - l); the embeddings are layer 0.
    """
    if decay == 1.0:
        return {}
    stack = find_layers(model)
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and stack.depths[name] < stack.n_layers:
            names.setdefault(stack.depths[name], []).append(re.escape(name))
    return {
        rf"(?:^|\.)(?:{'|'.join(of_layer)})$": peak * decay ** (stack.n_layers - depth)
        for depth, of_layer in sorted(names.items())
    }


def _behind(backbone: Any, path: str) -> Iterator[Any]:
    """Yield the parameters of the modules that a backbone holds after the one with its layers."""
    first = path.split(".")[0]
    children = dict(backbone.named_children())
    if first not in children:
        return
    names = list(children)
    for name in names[names.index(first) + 1 :]:
        yield from children[name].parameters()
