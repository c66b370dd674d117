"""An encoder that runs no model: each text has a vector of its own, decided by its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from homing.deployment.indexes.records import Record, record_of
from homing.types import FloatArray, Passage


class HashEncoder:
    """An `Encoder` whose vectors depend on the text and on its own name alone."""

    def __init__(
        self, name: str = "hash", dimensions: int = 16, before: Callable[[int], None] | None = None
    ) -> None:
        """Make one.

        Args:
            before: Called with the number of the call before passages are encoded, from 1.
        """
        self.key = f"{name}-{dimensions}"
        self.name = name
        self.dimensions = dimensions
        self.before = before
        self.encoded: list[str] = []
        self._calls = 0

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return the vectors of the passages of the same words."""
        return self._vectors(texts)

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return the vectors, and note what was asked for."""
        self._calls += 1
        if self.before:
            self.before(self._calls)
        self.encoded += texts
        return self._vectors(texts)

    def _vectors(self, texts: Sequence[str]) -> FloatArray:
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            digest = hashlib.sha256(f"{self.name}\n{text}".encode("utf-8", "surrogatepass"))
            random = np.random.default_rng(int.from_bytes(digest.digest()[:8], "big"))
            vectors[row] = random.standard_normal(self.dimensions)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def passage(number: int, text: str | None = None) -> Record:
    """Return a passage of a handbook, with a page and a place in its document."""
    text = text or f"Rule {number}: whoever leaves last turns off light {number}."
    return record_of(
        Passage(
            id=f"rule-{number:05d}",
            document_id=f"doc-{number // 10}",
            start=100 * number,
            end=100 * number + len(text),
            text=text,
            heading_path=("Handbook", f"Rule {number}"),
            page=number // 3 + 1,
        ),
        f"handbook/part-{number // 10}.pdf",
    )
