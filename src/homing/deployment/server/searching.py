"""`/v1/search`: the bundled passages by meaning, by words, or by both."""

from __future__ import annotations

from typing import Any

import numpy as np

from homing.deployment.bundle import Bundle
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.fusion import COMPARABLE, weighted_mean
from homing.retrieval.nearest import nearest
from homing.retrieval.search import top_k
from homing.types import FloatArray, IntArray


class SearchIndex:
    """A bundle that is ready to be searched: its vectors, and an index of its words."""

    def __init__(self, bundle: Bundle) -> None:
        """Index the words of all passages."""
        self.bundle = bundle
        self.words = BM25Retriever(bundle.inputs(), bundle.facts.language)

    @property
    def n_passages(self) -> int:
        """Size of the corpus."""
        return len(self.bundle.vectors)

    def search(
        self, query: str, vector: FloatArray | None, mode: str, k: int
    ) -> list[dict[str, Any]]:
        """Return the `k` best passages with their scores, best first; all where there are fewer.

        Args:
            vector: Of the question; not looked at for "bm25".
            mode: "dense", "bm25" or "fused".
        """
        k = min(k, self.n_passages)
        if k == 0:
            return []
        positions, scores = self._best(query, vector, mode, k)
        return [
            {**self.bundle.passage(position), "score": score}
            for position, score in zip(positions[0].tolist(), scores[0].tolist(), strict=True)
        ]

    def _best(
        self, query: str, vector: FloatArray | None, mode: str, k: int
    ) -> tuple[IntArray, FloatArray]:
        if mode == "bm25":
            return top_k(self.words.scores([query]), k)
        assert vector is not None
        row = np.ascontiguousarray(vector, dtype=np.float32)[None]
        if mode == "dense":
            return nearest(row, self.bundle.vectors, k)
        fusion = self.bundle.facts.fusion
        comparable = COMPARABLE[fusion.method]
        by_words = comparable(self.words.scores([query]))
        by_meaning = comparable(row @ self.bundle.vectors.T)
        return top_k(weighted_mean(by_words, by_meaning, fusion.weight), k)
