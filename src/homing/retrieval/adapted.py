"""An encoder with a map on the side of the questions; passages are those of the encoder below."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from homing.errors import UsageError
from homing.retrieval.query_map import SHAPES, Adapter
from homing.types import Encoder, FloatArray, passage_key


class AdaptedEncoder:
    """An `Encoder` that maps the question vectors of another one.

    Attributes:
        key: Hash of the other encoder's key and of the map.
        passage_key: The other encoder's: what was kept of its passages serves here as well.
        dimensions: Length of each vector.
    """

    def __init__(self, encoder: Encoder, adapter: Adapter) -> None:
        """Wrap an encoder.

        Raises:
            UsageError: If the adapter is for vectors of another length.
        """
        if adapter.map.dimensions != encoder.dimensions:
            raise UsageError(
                f"The adapter was made for {adapter.base_model}, whose vectors have "
                f"{adapter.map.dimensions:,} dimensions; these have {encoder.dimensions:,}. Put it "
                "on the model that it was made for."
            )
        self.encoder = encoder
        self.adapter = adapter
        self.dimensions = encoder.dimensions
        digest = hashlib.sha256(f"{encoder.key}\n{adapter.map.kind}\n".encode())
        for name in SHAPES[adapter.map.kind]:
            digest.update(adapter.map.arrays[name].tobytes())
        self.key = digest.hexdigest()
        self.passage_key = passage_key(encoder)

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return one mapped unit vector for each question, float32 (n, `dimensions`)."""
        return self.adapter.map.apply(self.encoder.encode_queries(texts))

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return the other encoder's unit vector for each passage, float32 (n, `dimensions`)."""
        return self.encoder.encode_passages(texts)
