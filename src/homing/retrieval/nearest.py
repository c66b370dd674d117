"""Exact nearest vectors by dot product, in tiles of bounded memory, at the speed of the matmul.

Cost: O(queries x vectors x dimensions) multiplications; beside the vectors, which are not copied,
about 150 MB. The result is that of exact arithmetic, so that it does not depend on the processor,
the number of threads or the other queries: a tile's scores, which do, only choose what is scored
once more, in double precision.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np

from homing.retrieval.ranking import TILE_SCORES, RunningTop, rows_at_once
from homing.retrieval.stacked import Vectors
from homing.types import FloatArray, IntArray

WIDEST_TILE = 65_536
_PAIRS = 4096
_FEW_ROWS = 64


def nearest(queries: FloatArray, vectors: Vectors, k: int) -> tuple[IntArray, FloatArray]:
    """Return positions and dot products of the `k` nearest vectors for each query, best first.

    Equal products, rounded to float32, keep the order of `vectors`; where there are fewer than
    `k`, the remaining positions are -1 and their products -inf. Of more than `ranking.SPARE`
    vectors that lie within the rounding of a float32 product of the k-th place, some may be taken
    for others.

    Args:
        queries: Unit vectors, (n, dimensions).
        vectors: Unit vectors, (m, dimensions); float32 is best. May be a memory-mapped
            file, or several.
        k: How many to find.

    Raises:
        ValueError: If `k` < 1, the shapes do not fit or a product is not a number.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")
    if queries.ndim != 2 or vectors.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise ValueError(
            f"Queries of shape {queries.shape} do not fit vectors of shape {vectors.shape}."
        )
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    positions = np.empty((len(queries), k), dtype=np.int64)
    products = np.empty((len(queries), k), dtype=np.float32)
    n_block = rows_at_once(k)
    scratch = np.empty(tile_shape(len(queries), len(vectors), k), dtype=np.float32)
    with ThreadPoolExecutor(_n_cores()) as pool:
        for start in range(0, len(queries), n_block):
            rows = slice(start, start + n_block)
            positions[rows], products[rows] = _nearest(queries[rows], vectors, k, scratch, pool)
    return positions, products


def tile_shape(n_queries: int, n_vectors: int, k: int) -> tuple[int, int]:
    """Return how many queries and how many vectors are multiplied at a time."""
    n_rows = min(n_queries, rows_at_once(k))
    return n_rows, min(n_vectors, WIDEST_TILE, max(1, TILE_SCORES // max(1, n_rows)))


def _nearest(
    queries: FloatArray,
    vectors: Vectors,
    k: int,
    scratch: FloatArray,
    pool: ThreadPoolExecutor,
) -> tuple[IntArray, FloatArray]:
    n_queries, dimensions = queries.shape
    # Two float32 sums of d products of unit vectors differ by at most 2 d 2^-24 (Higham, Accuracy
    # and Stability of Numerical Algorithms, 3.1), the k-th best and its rival by that much each.
    margin = dimensions * 2.0**-22
    n_rows = max(_FEW_ROWS, -(-n_queries // _n_cores()))
    parts = [slice(start, start + n_rows) for start in range(0, n_queries, n_rows)]
    tops = [RunningTop(len(queries[part]), k, margin) for part in parts]
    width = max(1, scratch.shape[1])
    for start in range(0, len(vectors), width):
        tile = np.asarray(vectors[start : start + width], dtype=np.float32)
        scores = scratch.reshape(-1)[: n_queries * len(tile)].reshape(n_queries, len(tile))
        np.matmul(queries, tile.T, out=scores)
        deque(pool.map(RunningTop.add, tops, [scores[part] for part in parts]), maxlen=0)
    found = list(pool.map(_settled, tops, [queries[part] for part in parts], repeat(vectors)))
    return np.concatenate([p for p, _ in found]), np.concatenate([s for _, s in found])


def _settled(top: RunningTop, queries: FloatArray, vectors: Vectors) -> tuple[IntArray, FloatArray]:
    """Return the `k` best of what a `RunningTop` kept, by products in double precision."""
    rows, positions = top.kept()
    exact = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), _PAIRS):
        pairs = slice(start, start + _PAIRS)
        left, right = queries[rows[pairs]], vectors[positions[pairs]]
        exact[pairs] = np.einsum("ij,ij->i", left, right, dtype=np.float64)
    top.settle_scores(exact)
    return top.result()


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
