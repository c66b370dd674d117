"""Dense retrieval: the dot product of unit vectors, over the whole corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from homing.retrieval.nearest import nearest
from homing.retrieval.stacked import StackedVectors, Vectors
from homing.types import Encoder, FloatArray, IntArray

Find = Callable[[FloatArray, Vectors, int], tuple[IntArray, FloatArray]]
"""Returns what `nearest` returns, wherever the work is done."""


class DenseRetriever:
    """A `TopKRetriever` that scores by cosine similarity.

    Attributes:
        n_passages: Size of the corpus.
        vectors: The passages' vectors, float32 (n_passages, dimensions).
    """

    def __init__(
        self,
        encoder: Encoder,
        texts: Sequence[str] = (),
        vectors: Vectors | None = None,
        find: Find = nearest,
    ) -> None:
        """Embed the corpus.

        Args:
            texts: What `passage_input` gives for each passage, in corpus order; not looked at where
                there are vectors.
            vectors: What the encoder gives for them, where that is at hand.
            find: Searches the vectors.
        """
        self.encoder = encoder
        self.vectors: Vectors = encoder.encode_passages(texts) if vectors is None else vectors
        self.n_passages = len(self.vectors)
        self.find = find

    def scores(self, queries: Sequence[str]) -> FloatArray:
        """Return cosine similarities, float32 (n_queries, n_passages), in [-1, 1]."""
        asked = self.encoder.encode_queries(queries)
        if isinstance(self.vectors, StackedVectors):
            return self.vectors.dot(asked)
        similarities: FloatArray = asked @ self.vectors.T
        return similarities

    def search(self, queries: Sequence[str], k: int) -> tuple[IntArray, FloatArray]:
        """Return positions and cosine similarities of the `k` best passages, (n_queries, k)."""
        return self.find(self.encoder.encode_queries(queries), self.vectors, k)
