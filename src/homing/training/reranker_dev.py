"""Dev for what is no encoder: the first stage, and the same with its first passages read again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.fusion import FusedRetriever
from homing.retrieval.reranking import PairScorer, RerankedRetriever
from homing.training.job import RetrieverScore
from homing.types import Encoder, Retriever


class RerankedScore:
    """Scores BM25 fused with an encoder (z-scores, half and half), alone and read again.

    Attributes:
        seconds: Spent so far.
    """

    def __init__(self, score: RetrieverScore, encoder: Encoder, depth: int) -> None:
        """Take what scores a retriever on dev.

        Args:
            encoder: Of the first stage; best one that keeps its vectors.
            depth: Passages that are read again for each question.
        """
        self._score = score
        self._encoder = encoder
        self._depth = depth
        self._below: Retriever | None = None
        self.seconds = 0.0

    def first_stage(self) -> float:
        """Return dev nDCG@10 of the first stage as it is."""
        return self._timed(self._first_stage)

    def __call__(self, scorer: PairScorer) -> float:
        """Return dev nDCG@10 once a scorer has put the first passages in order."""
        return self._timed(
            lambda texts: RerankedRetriever(self._first_stage(texts), scorer, texts, self._depth)
        )

    def _first_stage(self, texts: Sequence[str]) -> Retriever:
        if self._below is None:
            dense = DenseRetriever(self._encoder, texts)
            self._below = FusedRetriever(BM25Retriever(texts), dense)
        return self._below

    def _timed(self, build: Callable[[list[str]], Retriever]) -> float:
        started = time.monotonic()
        try:
            return self._score(build)
        finally:
            self.seconds += time.monotonic() - started
