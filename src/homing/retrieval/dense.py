"""Dense retrieval: the dot product of unit vectors, over the whole corpus."""

from __future__ import annotations

from collections.abc import Sequence

from homing.retrieval.nearest import nearest
from homing.types import Encoder, FloatArray, IntArray


class DenseRetriever:
    """A `TopKRetriever` that scores by cosine similarity.

    Attributes:
        n_passages: Size of the corpus.
        vectors: The passages' vectors, float32 (n_passages, dimensions).
    """

    def __init__(
        self, encoder: Encoder, texts: Sequence[str], vectors: FloatArray | None = None
    ) -> None:
        """Embed the corpus.

        Args:
            texts: What `passage_input` gives for each passage, in corpus order.
            vectors: What the encoder gives for them, where that is at hand.
        """
        self.encoder = encoder
        self.n_passages = len(texts)
        self.vectors = encoder.encode_passages(texts) if vectors is None else vectors

    def scores(self, queries: Sequence[str]) -> FloatArray:
        """Return cosine similarities, float32 (n_queries, n_passages), in [-1, 1]."""
        similarities: FloatArray = self.encoder.encode_queries(queries) @ self.vectors.T
        return similarities

    def search(self, queries: Sequence[str], k: int) -> tuple[IntArray, FloatArray]:
        """Return positions and cosine similarities of the `k` best passages, (n_queries, k)."""
        return nearest(self.encoder.encode_queries(queries), self.vectors, k)
