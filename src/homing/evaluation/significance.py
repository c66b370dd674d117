"""How far a mean can be trusted, when questions about one document go together.

Bootstrap: whole clusters are drawn with replacement (percentile interval). Test: the sign of each
cluster's difference is flipped at random (Fisher's randomisation, by cluster); all flips are tried
where they are few. Cost: O(resamples x clusters), in blocks of bounded memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.types import Interval

Values = NDArray[np.float64]

N_RESAMPLES = 2_000
N_FLIPS = 10_000
LEVEL = 0.95
_BLOCK_CELLS = 8_000_000
_ZERO = 1e-12


def cluster_bootstrap(
    values: Values,
    clusters: Sequence[object],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int,
) -> Interval:
    """Return the mean of `values` with its 95 % interval.

    With one cluster alone nothing can be said and the interval is the value itself.

    Args:
        values: One for each query, float64 (n,).
        clusters: For each query what it goes together with, such as its document.

    Raises:
        ValueError: If `values` is empty, holds nan, or differs in length from `clusters`.
    """
    columns = np.asarray(values, dtype=np.float64)[:, None]
    return cluster_bootstrap_columns(columns, clusters, n_resamples=n_resamples, seed=seed)[0]


def cluster_bootstrap_columns(
    columns: Values,
    clusters: Sequence[object],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int,
) -> list[Interval]:
    """Return an interval for the mean of each column, all from the same resamples.

    Args:
        columns: float64 (n_queries, n_columns).

    Raises:
        ValueError: As `cluster_bootstrap`.
    """
    sums, counts = _by_cluster(columns, clusters)
    n_clusters = len(counts)
    rng = np.random.default_rng(seed)
    means = np.empty((n_resamples, columns.shape[1]))
    n_block = max(1, _BLOCK_CELLS // n_clusters)
    for start in range(0, n_resamples, n_block):
        n_rows = min(n_block, n_resamples - start)
        draws = rng.integers(n_clusters, size=(n_rows, n_clusters))
        cells = draws + np.arange(n_rows)[:, None] * n_clusters
        weights = np.bincount(cells.ravel(), minlength=n_rows * n_clusters)
        weights = weights.reshape(n_rows, n_clusters).astype(np.float64)
        means[start : start + n_rows] = (weights @ sums) / (weights @ counts)[:, None]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    centre = columns.mean(axis=0)
    return [
        Interval(float(c), float(a), float(b)) for c, a, b in zip(centre, low, high, strict=True)
    ]


def paired_difference(
    a: Values,
    b: Values,
    clusters: Sequence[object],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    n_flips: int = N_FLIPS,
) -> tuple[Interval, float]:
    """Return the mean of `a - b` with its 95 % interval, and the two-sided p-value.

    The p-value is exact where there are at most log2(`n_flips`) clusters that differ, else
    (1 + flips at least as extreme) / (1 + flips). It is 1.0 where nothing differs.

    Args:
        a: One value for each query, float64 (n,).
        b: The other contender's values for the same queries.

    Raises:
        ValueError: If lengths differ, nothing is given, or a value is nan.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} values cannot be paired with {len(b)}.")
    differences = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return paired_difference_columns(
        differences[:, None], clusters, seed=seed, n_resamples=n_resamples, n_flips=n_flips
    )[0]


def paired_difference_columns(
    differences: Values,
    clusters: Sequence[object],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    n_flips: int = N_FLIPS,
) -> list[tuple[Interval, float]]:
    """Return interval and p-value for each column of differences, from the same draws.

    Args:
        differences: float64 (n_queries, n_columns).

    Raises:
        ValueError: As `paired_difference`.
    """
    intervals = cluster_bootstrap_columns(differences, clusters, n_resamples=n_resamples, seed=seed)
    sums, _ = _by_cluster(differences, clusters)
    is_many = (np.abs(sums) > _ZERO).sum(axis=0) > np.log2(n_flips)
    p_values = np.empty(sums.shape[1])
    p_values[is_many] = _drawn_p_values(sums[:, is_many], n_flips, seed)
    for column in np.flatnonzero(~is_many):
        p_values[column] = _exact_p_value(sums[:, column])
    return [(i, float(p)) for i, p in zip(intervals, p_values, strict=True)]


def _exact_p_value(sums: Values) -> float:
    """Return the share of all sign flips that make the total at least as extreme."""
    sums = sums[np.abs(sums) > _ZERO]
    flips = (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1
    totals = np.abs((1.0 - 2.0 * flips) @ sums)
    return float(np.mean(totals >= _threshold(sums)))


def _drawn_p_values(sums: Values, n_flips: int, seed: int) -> Values:
    """Return for each column how often random signs make the total at least as extreme."""
    if sums.shape[1] == 0:
        return np.empty(0)
    rng = np.random.default_rng(seed)
    n_extreme = np.zeros(sums.shape[1])
    n_block = max(1, _BLOCK_CELLS // len(sums))
    for start in range(0, n_flips, n_block):
        size = (min(n_block, n_flips - start), len(sums))
        signs = 1.0 - 2.0 * rng.integers(2, size=size, dtype=np.int8)
        n_extreme += (np.abs(signs @ sums) >= _threshold(sums)).sum(axis=0)
    p_values: Values = (1 + n_extreme) / (1 + n_flips)
    return p_values


def _threshold(sums: Values) -> Any:
    # Totals that are equal on paper differ in their last bits by the order of addition.
    return np.abs(sums.sum(axis=0)) - 1e-9


def _by_cluster(columns: Values, clusters: Sequence[object]) -> tuple[Values, Values]:
    """Return sums (n_clusters, n_columns) and sizes (n_clusters,), clusters as first met."""
    if len(columns) != len(clusters):
        raise ValueError(f"{len(columns)} values for {len(clusters)} cluster labels.")
    if len(columns) == 0:
        raise ValueError("Nothing to resample: there are no values.")
    if np.isnan(columns).any():
        raise ValueError("A value is not a number.")
    number_of: dict[object, int] = {}
    index = np.array([number_of.setdefault(label, len(number_of)) for label in clusters])
    sums = np.zeros((len(number_of), columns.shape[1]))
    np.add.at(sums, index, columns)
    return sums, np.bincount(index).astype(np.float64)
