"""Exact search: every passage is scored for every query, in blocks that bound the memory.

Cost: O(queries x passages) time; at most `BLOCK_BYTES` of scores at a time, and less where the
retriever finds the best itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homing.progress import track
from homing.retrieval.ranking import top_k
from homing.types import Retriever, Run, TopKRetriever

__all__ = ["queries_in_block", "search", "top_k"]

BLOCK_BYTES = 256 * 2**20
"""Largest block of float32 scores; a block always holds at least one query."""
QUERIES_IN_BLOCK = 4096
"""Queries given at a time to a retriever that finds the best itself."""


def search(
    retriever: Retriever,
    query_ids: Sequence[str],
    queries: Sequence[str],
    passage_ids: Sequence[str],
    k: int,
) -> Run:
    """Return the `k` best passages for each query, exactly; ties go to the earlier passage.

    Args:
        queries: Their texts, as `query_ids`.
        passage_ids: The corpus that the retriever was built on, in its order.
        k: How many to keep; where the corpus is smaller, the rest is -1 with a score of -inf.

    Raises:
        ValueError: If lengths do not fit together or `k` < 1.
    """
    if len(query_ids) != len(queries):
        raise ValueError(f"{len(query_ids)} query ids for {len(queries)} queries.")
    if len(passage_ids) != retriever.n_passages:
        raise ValueError(
            f"{len(passage_ids)} passage ids for an index of {retriever.n_passages} passages."
        )
    ranking = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    finds_best = isinstance(retriever, TopKRetriever)
    n_block = QUERIES_IN_BLOCK if finds_best else queries_in_block(retriever.n_passages)
    with track("Searching", len(queries)) as progress:
        for start in range(0, len(queries), n_block):
            block = list(queries[start : start + n_block])
            rows = slice(start, start + len(block))
            if isinstance(retriever, TopKRetriever):
                ranking[rows], scores[rows] = retriever.search(block, k)
            else:
                ranking[rows], scores[rows] = top_k(retriever.scores(block), k)
            progress.advance(len(block))
    return Run(tuple(query_ids), tuple(passage_ids), ranking, scores)


def queries_in_block(n_passages: int) -> int:
    """Return how many queries may be scored at once within `BLOCK_BYTES`."""
    return max(1, BLOCK_BYTES // (4 * max(1, n_passages)))
