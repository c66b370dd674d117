"""Who embeds: anything that makes vectors of texts; here a hash of each, or a real model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from homing.errors import MissingDependencyError, UsageError
from homing.types import FloatArray


class Embedder(Protocol):
    """Makes vectors, float32 (n, d); equal texts must get equal ones. Called in one thread."""

    def __call__(self, texts: Sequence[str]) -> FloatArray: ...


class HashVectors:
    """Random unit vectors that depend on the text alone."""

    def __init__(self, dimensions: int = 64) -> None:
        self.dimensions = dimensions

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Return the vectors."""
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            seed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
            row[:] = np.random.default_rng(int.from_bytes(seed[:8], "big")).standard_normal(
                self.dimensions
            )
        unit: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


class ModelVectors:
    """The vectors of a sentence-transformers model, of the texts as they are: no prompt is added.

    Args:
        folder: The model's folder, or a hub id.

    Raises:
        UsageError: It cannot be loaded.
        MissingDependencyError: Without the extra `train`.
    """

    def __init__(self, folder: Path | str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingDependencyError.for_extra("sentence-transformers", "train") from error
        try:
            self._model: Any = SentenceTransformer(str(folder), device="cpu")
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"{folder} is no model that can be served ({error}). Give the folder that "
                "sentence-transformers saved, such as tuned/model."
            ) from error

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Return the vectors."""
        vectors = self._model.encode(list(texts), prompt="", show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)
