"""Simulated test sets of which the truth is known, for `certainty.py`.

A question's rank follows from a normal score: what its cluster has in common, what the question
has in common for all contenders, and noise. The ranks at which a score counts are set so that hit
rates at 1, 5 and 10 lie as far apart as on real questions (0.48, 0.76 and 0.84).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

DEPTH = 10
K = 5
BORDERS = 0.48 * np.log(K / np.arange(1, DEPTH + 1))
"""Score above which the right passage is among the first 1, 2, …, 10; 0 for the first five."""
GAINS = np.append(1 / np.log2(np.arange(2, DEPTH + 2)), 0.0)
SHARED = 0.75
"""Part of the variance that all contenders have in common: some questions are hard for everyone."""
OF_CONTENDER = 0.2
"""Part of the rest by which a contender suits a whole cluster, where clusters matter at all."""


def draw_clusters(rng: np.random.Generator, n_clusters: int, per_cluster: int | None) -> Values:
    """Return the cluster of each question, (n_questions,); None draws 1 to 6 for each cluster."""
    sizes = rng.integers(1, 7, n_clusters) if per_cluster is None else per_cluster
    return np.repeat(np.arange(n_clusters), sizes)


def draw_ranks(
    rng: np.random.Generator,
    clusters: Values,
    hit_rates: Sequence[float],
    *,
    within: float,
    n_sets: int,
) -> NDArray[np.int64]:
    """Return ranks from 0 (first) to 10 (beyond ten), (n_contenders, n_questions, n_sets).

    Args:
        hit_rates: True hit@5 of each contender, in (0, 1).
        within: Part of the variance that a cluster has in common, in [0, `SHARED`].
    """
    n_questions, n_clusters = len(clusters), int(clusters.max()) + 1

    def normal(n: int, variance: float) -> Values:
        return np.sqrt(variance) * rng.standard_normal((n, n_sets))

    shared = normal(n_clusters, within)[clusters] + normal(n_questions, SHARED - within)
    by_cluster = (1 - SHARED) * OF_CONTENDER if within else 0.0
    ranks = np.empty((len(hit_rates), n_questions, n_sets), dtype=np.int64)
    for number, rate in enumerate(hit_rates):
        score = shared + NormalDist().inv_cdf(rate)
        score += normal(n_clusters, by_cluster)[clusters]
        score += normal(n_questions, 1 - SHARED - by_cluster)
        # Borders fall from rank 1 on: those that a score does not pass lie before its rank.
        ranks[number] = DEPTH - np.searchsorted(BORDERS[::-1], score)
    return ranks


def hits(ranks: NDArray[np.int64]) -> Values:
    """Return hit@5 for each rank."""
    return (ranks < K).astype(np.float64)


def ndcg(ranks: NDArray[np.int64]) -> Values:
    """Return nDCG@10 for each rank, one passage being right."""
    return GAINS[ranks]


def true_ndcg(hit_rate: float) -> float:
    """Return the expected nDCG@10 of a contender whose expected hit@5 is given."""
    normal = NormalDist()
    within = [1 - normal.cdf(border - normal.inv_cdf(hit_rate)) for border in BORDERS]
    return float(np.diff(np.array([0.0, *within])) @ GAINS[:DEPTH])
