"""What finds passages, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from homing.types.arrays import FloatArray, IntArray


@runtime_checkable
class Encoder(Protocol):
    """Turns text into unit vectors; knows its own prompts.

    Both methods return float32 of shape (n, `dimensions`), each row of length 1. `key` identifies
    model, weights, prompts and sequence length: equal keys give equal vectors.
    """

    key: str
    dimensions: int

    def encode_queries(self, texts: Sequence[str]) -> FloatArray: ...

    def encode_passages(self, texts: Sequence[str]) -> FloatArray: ...


def passage_key(encoder: Encoder) -> str:
    """Return the key of what embeds passages: of a tower of its own, or of the whole model."""
    key: str = getattr(encoder, "passage_key", encoder.key)
    return key


@runtime_checkable
class Retriever(Protocol):
    """Scores every passage of the corpus that it was built on, for each query; higher is better."""

    n_passages: int

    def scores(self, queries: Sequence[str]) -> FloatArray:
        """Return float32 of shape (n_queries, n_passages), columns in corpus order."""
        ...


@runtime_checkable
class TopKRetriever(Retriever, Protocol):
    """A `Retriever` that finds the best passages without a table of all scores."""

    def search(self, queries: Sequence[str], k: int) -> tuple[IntArray, FloatArray]:
        """Return positions, int64, and scores, float32, of the `k` best, both (n_queries, k).

        Best first, ties to the earlier passage; -1 and -inf where the corpus is smaller.
        """
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """Ranked passages with scores for each query (TREC sense).

    Attributes:
        query_ids: One for each row.
        passage_ids: The corpus, in its order; `ranking` holds positions in it.
        ranking: int64 (n_queries, k), best first, -1 where there are fewer than k.
        scores: float32 (n_queries, k), descending. Ties: the earlier in the corpus first.
    """

    query_ids: tuple[str, ...]
    passage_ids: tuple[str, ...]
    ranking: IntArray
    scores: FloatArray

    def ranked_ids(self, row: int) -> list[str]:
        """Return the passage ids of one query, best first."""
        return [self.passage_ids[i] for i in self.ranking[row] if i >= 0]
