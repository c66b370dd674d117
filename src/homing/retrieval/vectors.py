"""What every encoder does to its vectors."""

from __future__ import annotations

import numpy as np

from homing.types import FloatArray


def normalised(vectors: FloatArray) -> FloatArray:
    """Return vectors of length 1, float32; one of zeros stays as it is."""
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    unit: FloatArray = vectors / np.maximum(lengths, np.float32(1e-12))
    return unit
