"""Vectors of length 1, which is what every encoder gives."""

from __future__ import annotations

import numpy as np

from homing.types import FloatArray


def normalised(vectors: FloatArray) -> FloatArray:
    """Return vectors of length 1, float32; one of zeros stays as it is."""
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    unit: FloatArray = vectors / np.maximum(lengths, np.float32(1e-12))
    return unit


def normalised_exactly(vectors: FloatArray) -> FloatArray:
    """Return the same with lengths in float64: for vectors that are bought once and kept."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit: FloatArray = (vectors / np.maximum(lengths, 1e-30)).astype(np.float32)
    return unit
