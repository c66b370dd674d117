"""Two retrievers as one: their scores, made comparable query by query, then averaged.

A BM25 score and a cosine have nothing in common but their order; as z-scores over the whole
corpus they can be added.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homing.types import FloatArray, Retriever


class FusedRetriever:
    """A `Retriever` that averages the z-scores of two others over the same corpus."""

    def __init__(self, a: Retriever, b: Retriever, weight: float = 0.5) -> None:
        """Join two retrievers.

        Args:
            weight: Share of `b`, in [0, 1].

        Raises:
            ValueError: If the corpora differ in size or the weight is out of range.
        """
        if a.n_passages != b.n_passages:
            raise ValueError(f"{a.n_passages} passages on one side, {b.n_passages} on the other.")
        if not 0.0 <= weight <= 1.0:
            raise ValueError(f"The weight of a fusion lies between 0 and 1, not at {weight}.")
        self.a, self.b, self.weight = a, b, weight
        self.n_passages = a.n_passages

    def scores(self, queries: Sequence[str]) -> FloatArray:
        """Return weighted means of z-scores, float32 (n_queries, n_passages)."""
        fused = np.float32(1 - self.weight) * z_scores(self.a.scores(queries))
        fused += np.float32(self.weight) * z_scores(self.b.scores(queries))
        return fused


def z_scores(scores: FloatArray) -> FloatArray:
    """Return each row less its mean, over its standard deviation.

    A row whose scores are all equal says nothing about the passages and becomes zeros.
    """
    if scores.shape[1] == 0:
        return np.zeros_like(scores)
    mean = scores.mean(axis=1, keepdims=True, dtype=np.float64)
    spread = scores.std(axis=1, keepdims=True, dtype=np.float64)
    is_flat = scores.max(axis=1, keepdims=True) == scores.min(axis=1, keepdims=True)
    spread[is_flat] = 1.0
    z: FloatArray = ((scores - mean) / spread).astype(np.float32)
    z[is_flat[:, 0]] = 0.0
    return z
