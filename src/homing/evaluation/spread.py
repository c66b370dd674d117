"""How far the mean of clustered values spreads: sums by cluster, their standard error, Student's t.

Variance: the cluster-robust one with the small-sample correction CR2, with the degrees of freedom
of Bell and McCaffrey (2002), both in closed form for a mean. Cost: O(clusters x columns).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from homing.types import Values

_N_ANGLES = 20_001
_MANY = 1_000.0


def sum_by_cluster(columns: Values, clusters: Sequence[object]) -> tuple[Values, Values]:
    """Return sums (n_clusters, n_columns) and sizes (n_clusters,), clusters as first met.

    Raises:
        ValueError: If `columns` is empty, holds nan, or differs in length from `clusters`.
    """
    if len(columns) != len(clusters):
        raise ValueError(f"{len(columns)} values for {len(clusters)} cluster labels.")
    if len(columns) == 0:
        raise ValueError("Nothing to resample: there are no values.")
    if np.isnan(columns).any():
        raise ValueError("A value is not a number.")
    number_of: dict[object, int] = {}
    index = np.array([number_of.setdefault(label, len(number_of)) for label in clusters])
    order = np.argsort(index, kind="stable")
    sizes = np.bincount(index)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums: Values = np.add.reduceat(columns[order], starts, axis=0)
    return sums, sizes.astype(np.float64)


def mean_variance(sums: Values, sizes: Values) -> Values:
    """Return the variance of each column's mean, (n_columns,), by CR2; there are two clusters.

    CR2 widens each cluster's squared residual by what the cluster itself pulls the mean.
    """
    residuals = sums - sizes[:, None] * (sums.sum(axis=0) / sizes.sum())
    pull = 1.0 - sizes / sizes.sum()
    variance: Values = (residuals**2 / pull[:, None]).sum(axis=0) / sizes.sum() ** 2
    return variance


def degrees_of_freedom(sizes: Values) -> float:
    """Return how many independent pieces the variance rests on: clusters - 1 where all are equal.

    Fewer where a few clusters hold most values (Satterthwaite's approximation under independence);
    at least 1 for two clusters and more.
    """
    total = sizes.sum()
    scaled = sizes / np.sqrt(1.0 - sizes / total)
    covariances = (float((scaled**2).sum()) ** 2 - float((scaled**4).sum())) / total**2
    return float(total**2 / ((sizes**2).sum() + covariances))


@lru_cache(maxsize=4096)
def t_quantile(share: float, df: float) -> float:
    """Return Student's t below which `share` of its distribution lies, to four digits.

    By t = sqrt(df) tan(angle), under which the density is that of cos(angle) ** (df - 1).

    Args:
        share: In (0.5, 1).
        df: Degrees of freedom, at least 1, not only whole ones.
    """
    if df > _MANY:  # the normal quantile with the first term of its expansion in 1 / df
        z = NormalDist().inv_cdf(share)
        return z + (z**3 + z) / (4 * df)
    angles = np.linspace(0, np.pi / 2, _N_ANGLES)
    heights = np.cos(angles) ** (df - 1)
    areas = np.concatenate([[0.0], np.cumsum((heights[1:] + heights[:-1]) / 2)])
    angle = np.interp(2 * share - 1, areas / areas[-1], angles)
    return float(np.sqrt(df) * np.tan(angle))
