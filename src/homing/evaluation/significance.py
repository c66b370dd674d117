"""How far a mean can be trusted, when questions about one document go together.

Interval: a studentised cluster bootstrap. Whole clusters are drawn with replacement; what is read
off the resamples is not the mean but how many of its own standard errors it lies off, so that few
clusters give wide intervals. Student's t is the least that this may give. Two refinements matter
where nearly all questions are hits, or few questions differ:

* a mean of values in [0, 1] takes Wilson's form, whose width does not vanish at 0 and 1;
* a mean of differences is taken as if one more question differed, by as much as the most does.

benchmarks/certainty.py checks by simulation how often these intervals hold the truth.

Test: the sign of each cluster's difference is flipped at random (Fisher's randomisation, by
cluster); all flips are tried where they are few. Cost: O(resamples x clusters x columns), in
blocks of bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from homing.evaluation.spread import degrees_of_freedom, sum_by_cluster, t_quantile
from homing.types import Interval, Values

N_RESAMPLES = 2_000
N_FLIPS = 10_000
LEVEL = 0.95
_BLOCK_CELLS = 8_000_000
_ZERO = 1e-12

Statistic = Callable[[Values, Values, Values], Values]


def cluster_bootstrap(
    values: Values,
    clusters: Sequence[object],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int,
) -> Interval:
    """Return the mean of `values` with its 95 % interval, within [0, 1].

    With one cluster alone nothing can be said and the interval is the whole range.

    Args:
        values: One for each query, float64 (n,), in [0, 1].
        clusters: For each query what it goes together with, such as its document.

    Raises:
        ValueError: If `values` is empty, leaves [0, 1], or differs in length from `clusters`.
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
        columns: float64 (n_queries, n_columns), in [0, 1].

    Raises:
        ValueError: As `cluster_bootstrap`.
    """
    sums, sizes = sum_by_cluster(columns, clusters)
    _check_range(columns, 0.0)
    means = columns.mean(axis=0)
    if len(sizes) < 2:
        return [Interval(float(mean), 0.0, 1.0) for mean in means]
    room = np.maximum(means * (1 - means), _ZERO)
    n_worth = _worth(means, _variance(sums, sizes), sizes.sum())

    def deviation(off: Values, variance: Values, n: Values) -> Values:
        return np.asarray(np.abs(off) / np.sqrt(room / _worth(means + off, variance, n)))

    t = _critical(sums, sizes, deviation, n_resamples, seed)
    shrunk = 1 + t**2 / n_worth
    centre = (means + t**2 / (2 * n_worth)) / shrunk
    half = t / shrunk * np.sqrt(means * (1 - means) / n_worth + t**2 / (4 * n_worth**2))
    return _intervals(means, centre - half, centre + half, 0.0)


def difference_bootstrap_columns(
    differences: Values,
    clusters: Sequence[object],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int,
) -> list[Interval]:
    """Return an interval for the mean of each column of differences, from the same resamples.

    With one cluster alone nothing can be said and the interval is the whole range.

    Args:
        differences: float64 (n_queries, n_columns), in [-1, 1].

    Raises:
        ValueError: If `differences` is empty, leaves [-1, 1], or differs in length from `clusters`.
    """
    sums, sizes = sum_by_cluster(differences, clusters)
    _check_range(differences, -1.0)
    n, means = sizes.sum(), differences.mean(axis=0)
    if len(sizes) < 2:
        return [Interval(float(mean), -1.0, 1.0) for mean in means]
    one_more = largest_difference(differences) ** 2

    def deviation(off: Values, variance: Values, n_drawn: Values) -> Values:
        centre = (means + off) * n_drawn / (n_drawn + 1) - means * n / (n + 1)
        spread = (variance * n_drawn**2 + one_more) / (n_drawn + 1) ** 2
        return np.asarray(np.abs(centre) / np.sqrt(spread))

    t = _critical(sums, sizes, deviation, n_resamples, seed)
    centre = means * n / (n + 1)
    half = t * np.sqrt(_variance(sums, sizes) * n**2 + one_more) / (n + 1)
    return _intervals(means, centre - half, centre + half, -1.0)


def largest_difference(differences: Values) -> Values:
    """Return each column's largest absolute difference, (n_columns,); 1.0 where nothing differs."""
    largest = np.abs(differences).max(axis=0)
    return np.where(largest > _ZERO, largest, 1.0)


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
        a: One value for each query, float64 (n,), in [0, 1].
        b: The other contender's values for the same queries.

    Raises:
        ValueError: If lengths differ, nothing is given, or a value is nan or out of range.
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
        differences: float64 (n_queries, n_columns), in [-1, 1].

    Raises:
        ValueError: As `paired_difference`.
    """
    intervals = difference_bootstrap_columns(
        differences, clusters, n_resamples=n_resamples, seed=seed
    )
    sums, _ = sum_by_cluster(differences, clusters)
    is_many = (np.abs(sums) > _ZERO).sum(axis=0) > np.log2(n_flips)
    p_values = np.empty(sums.shape[1])
    p_values[is_many] = _drawn_p_values(sums[:, is_many], n_flips, seed)
    for column in np.flatnonzero(~is_many):
        p_values[column] = _exact_p_value(sums[:, column])
    return [(i, float(p)) for i, p in zip(intervals, p_values, strict=True)]


def _critical(
    sums: Values, sizes: Values, deviation: Statistic, n_resamples: int, seed: int
) -> Values:
    """Return how many standard errors 95 % of the resamples stay within, by column; t or more."""
    draws = _resample(sums, sizes, n_resamples, seed)
    found = np.concatenate([deviation(*draw) for draw in draws])
    least = t_quantile((1 + LEVEL) / 2, degrees_of_freedom(sizes))
    return np.asarray(np.maximum(np.quantile(found, LEVEL, axis=0), least))


def _resample(
    sums: Values, sizes: Values, n_resamples: int, seed: int
) -> Iterator[tuple[Values, Values, Values]]:
    """Yield, block by block, how resampled means lie off, their variances, and their sizes."""
    rng = np.random.default_rng(seed)
    n_clusters = len(sizes)
    centred = sums - sizes[:, None] * (sums.sum(axis=0) / sizes.sum())
    n_block = max(1, _BLOCK_CELLS // max(n_clusters, sums.shape[1]))
    for start in range(0, n_resamples, n_block):
        n_rows = min(n_block, n_resamples - start)
        drawn = rng.integers(n_clusters, size=(n_rows, n_clusters))
        cells = drawn + np.arange(n_rows)[:, None] * n_clusters
        times = np.bincount(cells.ravel(), minlength=n_rows * n_clusters)
        times = times.reshape(n_rows, n_clusters).astype(np.float64)
        n_drawn = (times @ sizes)[:, None]
        off = times @ centred / n_drawn
        squares = times @ centred**2 - 2 * off * (times @ (centred * sizes[:, None]))
        squares += off**2 * (times @ sizes**2)[:, None]
        yield off, np.maximum(squares, 0.0) / n_drawn**2, n_drawn


def _variance(sums: Values, sizes: Values) -> Values:
    """Return the plain variance of each mean, as the resamples have theirs."""
    residuals = sums - sizes[:, None] * (sums.sum(axis=0) / sizes.sum())
    variance: Values = (residuals**2).sum(axis=0) / sizes.sum() ** 2
    return variance


def _worth(means: Values, variance: Values, n: Any) -> Values:
    """Return how many independent questions a mean is worth; all of them where nothing varies."""
    room = means * (1 - means)
    varies = (variance > 1e-9 * room) & (room > 1e-9)
    return np.where(varies, room / np.where(varies, variance, 1.0), n)


def _intervals(means: Values, low: Values, high: Values, least: float) -> list[Interval]:
    low, high = np.clip(low, least, means), np.clip(high, means, 1.0)
    return [
        Interval(float(m), float(a), float(b)) for m, a, b in zip(means, low, high, strict=True)
    ]


def _check_range(columns: Values, least: float) -> None:
    if columns.min() < least - 1e-9 or columns.max() > 1 + 1e-9:
        raise ValueError(f"A value lies outside of {least:g} to 1.")


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
