"""Exact search: every passage is scored for every query, in blocks that bound the memory.

Cost: O(queries x passages) time; at most `BLOCK_BYTES` of scores at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homing.progress import track
from homing.types import FloatArray, IntArray, Retriever, Run

BLOCK_BYTES = 256 * 2**20
"""Largest block of float32 scores; a block always holds at least one query."""
_ROWS_BYTES = 64 * 2**20


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
    n_block = queries_in_block(retriever.n_passages)
    with track("Searching", len(queries)) as progress:
        for start in range(0, len(queries), n_block):
            block = list(queries[start : start + n_block])
            rows = slice(start, start + len(block))
            ranking[rows], scores[rows] = top_k(retriever.scores(block), k)
            progress.advance(len(block))
    return Run(tuple(query_ids), tuple(passage_ids), ranking, scores)


def queries_in_block(n_passages: int) -> int:
    """Return how many queries may be scored at once within `BLOCK_BYTES`."""
    return max(1, BLOCK_BYTES // (4 * max(1, n_passages)))


def top_k(scores: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Return positions and scores of the `k` best in each row, best first; exact.

    Equal scores keep the order of their columns. Where there are fewer than `k` columns, the
    remaining positions are -1 and their scores -inf.

    Args:
        scores: float32 (n, m).

    Raises:
        ValueError: If `k` < 1 or a score is not a number.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")
    n_rows, n_columns = scores.shape
    positions = np.full((n_rows, k), -1, dtype=np.int64)
    best = np.full((n_rows, k), -np.inf, dtype=np.float32)
    if n_columns == 0:
        return positions, best
    n_kept = min(k, n_columns)
    n_block = max(1, _ROWS_BYTES // (8 * n_columns))
    for start in range(0, n_rows, n_block):
        rows = slice(start, start + n_block)
        found = _top_positions(scores[rows], n_kept)
        positions[rows, :n_kept] = found
        best[rows, :n_kept] = np.take_along_axis(scores[rows], found, axis=1)
    return positions, best


def _top_positions(scores: FloatArray, k: int) -> IntArray:
    """Return the columns of the `k` best, by one integer key that no two columns share.

    A float's bits, taken as an integer, sort like the float once negative ones are mirrored; the
    column in the low half then settles ties.
    """
    if np.isnan(scores).any():
        raise ValueError("A retriever gave a score that is not a number.")
    # Adding zero turns -0.0 into 0.0, which equals it but has other bits.
    bits = (np.asarray(scores, dtype=np.float32) + np.float32(0)).view(np.int32).astype(np.int64)
    ordered = np.where(bits >= 0, bits, np.int64(-(2**31)) - bits)
    keys = -(ordered << 32) + np.arange(scores.shape[1], dtype=np.int64)
    if k < scores.shape[1]:
        keys = np.partition(keys, k - 1, axis=1)[:, :k]
    keys.sort(axis=1)
    columns: IntArray = keys & np.int64(0xFFFFFFFF)
    return columns
