"""What another system found, recorded as a run, in the place of a retriever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from homing.types import FloatArray, IntArray, Run


class RecordedRetriever:
    """A `TopKRetriever` that repeats a run; what it was never asked, it finds nothing for.

    Attributes:
        n_passages: Size of the corpus.
    """

    def __init__(self, run: Run, query_ids: Mapping[str, str]) -> None:
        """Take a run over the corpus.

        Args:
            query_ids: Text of a question -> its id in the run.
        """
        self.n_passages = len(run.passage_ids)
        self._run = run
        self._row_of = {query_id: row for row, query_id in enumerate(run.query_ids)}
        self._query_ids = query_ids

    def search(self, queries: Sequence[str], k: int) -> tuple[IntArray, FloatArray]:
        """Return what the run holds for each question, (n_queries, k); -1 and -inf beyond it."""
        positions = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        for row, recorded in self._recorded(queries):
            n = min(k, self._run.ranking.shape[1])
            positions[row, :n] = self._run.ranking[recorded, :n]
            scores[row, :n] = self._run.scores[recorded, :n]
        return positions, scores

    def scores(self, queries: Sequence[str]) -> FloatArray:
        """Return the recorded scores; what was not found scores as the last that was found."""
        table = np.zeros((len(queries), self.n_passages), dtype=np.float32)
        for row, recorded in self._recorded(queries):
            found = self._run.ranking[recorded] >= 0
            if found.any():
                scores = self._run.scores[recorded][found]
                table[row] = scores.min()
                table[row, self._run.ranking[recorded][found]] = scores
        return table

    def _recorded(self, queries: Sequence[str]) -> list[tuple[int, int]]:
        """Return (row of the question, row of the run) for the questions that the run holds."""
        ids = (self._query_ids.get(text) for text in queries)
        return [(row, self._row_of[i]) for row, i in enumerate(ids) if i in self._row_of]
