"""Vectors cut to their first dimensions, as models of Matryoshka training allow (2205.13147)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from homing.errors import UsageError
from homing.types import Encoder, FloatArray, passage_key
from homing.vectors import normalised


class TruncatedEncoder:
    """An `Encoder` that gives the first dimensions of another one's vectors, of length 1 again.

    It computes what the other one does: what is saved is memory and time of the search.

    Attributes:
        key: Hash of the other encoder's key and of the length.
        passage_key: The same of the key for its passages.
        dimensions: Length of each vector.
    """

    def __init__(self, encoder: Encoder, dimensions: int) -> None:
        """Wrap an encoder.

        Raises:
            UsageError: If its vectors are shorter.
        """
        if not 1 <= dimensions <= encoder.dimensions:
            raise UsageError(
                f"The model's vectors have {encoder.dimensions:,} dimensions, so none can be cut "
                f"to {dimensions:,}. Ask for fewer with ?dimensions=."
            )
        self.encoder = encoder
        self.dimensions = dimensions
        self.key = _cut_key(encoder.key, dimensions)
        self.passage_key = _cut_key(passage_key(encoder), dimensions)

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each question, float32 (n, `dimensions`)."""
        return normalised(self.encoder.encode_queries(texts)[:, : self.dimensions])

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each passage, float32 (n, `dimensions`)."""
        return normalised(self.encoder.encode_passages(texts)[:, : self.dimensions])


def _cut_key(key: str, dimensions: int) -> str:
    return hashlib.sha256(f"{key}\ndimensions {dimensions}\n".encode()).hexdigest()
