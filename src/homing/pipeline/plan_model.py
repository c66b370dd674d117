"""How much arithmetic a base model asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from homing.errors import HomingError
from homing.retrieval.models import find_model

PLACES = ("config.json", "0_Transformer/config.json", "query_0_Transformer/config.json")
NAMES = ("num_hidden_layers", "hidden_size", "intermediate_size")


@dataclass(frozen=True, slots=True)
class Shape:
    """A transformer's layers, their width and inner width, and where these stand."""

    layers: int
    width: int
    inner: int
    source: str

    def flops(self, n_tokens: float) -> float:
        """Return the operations of the forward pass over a text of so many tokens."""
        products = 2 * self.layers * (4 * self.width**2 + 2 * self.width * self.inner)
        attention = 4 * self.layers * self.width * n_tokens
        return n_tokens * (products + attention)


DEFAULT = Shape(6, 384, 1536, "all-MiniLM-L6-v2, since the base model's config.json is not at hand")


def shape_of(base_model: str | None) -> Shape:
    """Return the shape of a base model; that of the default one where it cannot be read."""
    try:
        folder = find_model(base_model).path
    except HomingError:
        folder = None
    for place in PLACES if folder is not None else ():
        path = Path(str(folder), place)
        if path.is_file():
            read = json.loads(path.read_text(encoding="utf-8"))
            if all(isinstance(read.get(name), int) for name in NAMES):
                layers, width, inner = (int(read[name]) for name in NAMES)
                return Shape(layers, width, inner, "the base model's config.json")
    return DEFAULT
