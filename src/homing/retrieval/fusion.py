"""Two retrievers as one: their scores, made comparable query by query, then averaged.

A BM25 score and a cosine have nothing in common but their order. As z-scores over the whole corpus
they can be added; so can the reciprocals of their ranks, which know nothing of the scores but the
order. Cost: beside the members' own, a few passes over the scores, and for reciprocal ranks a
partition of each row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from homing.types import FloatArray, Retriever

Method = Literal["z", "rrf"]
RRF_K = 60
"""Cormack, Clarke and Büttcher, Reciprocal rank fusion (SIGIR 2009)."""
RRF_DEPTH = 1000
"""Passages that a member ranks later than this get nothing from it, as in the same paper."""


class FusedRetriever:
    """A `Retriever` that averages what two others over the same corpus say, made comparable."""

    def __init__(self, a: Retriever, b: Retriever, weight: float = 0.5, method: Method = "z"):
        """Join two retrievers.

        Args:
            weight: Share of `b`, in [0, 1].
            method: "z" for z-scores, "rrf" for reciprocal ranks.

        Raises:
            ValueError: If the corpora differ in size, the weight is out of range or there is no
                such method.
        """
        if a.n_passages != b.n_passages:
            raise ValueError(f"{a.n_passages} passages on one side, {b.n_passages} on the other.")
        if not 0.0 <= weight <= 1.0:
            raise ValueError(f"The weight of a fusion lies between 0 and 1, not at {weight}.")
        if method not in METHODS:
            raise ValueError(f"There is no method {method!r} of fusion but {', '.join(METHODS)}.")
        self.a, self.b, self.weight, self.method = a, b, weight, method
        self.n_passages = a.n_passages

    def scores(self, queries: Sequence[str]) -> FloatArray:
        """Return weighted means of comparable scores, float32 (n_queries, n_passages)."""
        comparable = COMPARABLE[self.method]
        first, second = comparable(self.a.scores(queries)), comparable(self.b.scores(queries))
        return weighted_mean(first, second, self.weight)


def weighted_mean(a: FloatArray, b: FloatArray, weight: float) -> FloatArray:
    """Return the mean of two tables of comparable scores; `weight` is the share of `b`."""
    fused = np.float32(1 - weight) * a
    fused += np.float32(weight) * b
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


def reciprocal_ranks(scores: FloatArray) -> FloatArray:
    """Return 1 / (`RRF_K` + rank) of each score in its row; 0.0 for ranks beyond `RRF_DEPTH`.

    Equal scores share the best of their ranks, so that the order of the corpus says nothing: what
    shares no word with a question is not set apart by BM25. A row whose scores are all equal says
    nothing about the passages and becomes zeros.
    """
    n_columns = scores.shape[1]
    reciprocal = np.zeros(scores.shape, dtype=np.float32)
    for row, values in enumerate(scores):
        if n_columns == 0 or values.max() == values.min():
            continue
        if n_columns > RRF_DEPTH:
            # Ranks go by how many scores are higher, and only the highest have so few.
            last = np.partition(values, n_columns - RRF_DEPTH)[n_columns - RRF_DEPTH]
            kept = np.flatnonzero(values >= last)
        else:
            kept = np.arange(n_columns)
        ascending = np.sort(values[kept])
        n_higher = len(kept) - np.searchsorted(ascending, values[kept], side="right")
        reciprocal[row, kept] = 1.0 / (RRF_K + 1 + n_higher)
    return reciprocal


COMPARABLE: Mapping[Method, Callable[[FloatArray], FloatArray]] = {
    "z": z_scores,
    "rrf": reciprocal_ranks,
}
"""Method -> what makes a table of scores comparable with another."""
METHODS: Mapping[str, str] = {"z": "z-scores", "rrf": "reciprocal ranks"}
"""How it is written -> what it is called."""
