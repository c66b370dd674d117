"""Every contender against the baseline: is the difference real, and how much could be seen at all.

Cost: one bootstrap and one randomisation test over all contenders and measures together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from homing.evaluation.significance import largest_difference, paired_difference_columns
from homing.evaluation.spread import (
    degrees_of_freedom,
    mean_variance,
    sum_by_cluster,
    t_quantile,
)
from homing.types import Comparison, Interval, Values

COMPARED_MEASURES = ("hit@5", "mrr@10", "ndcg@10")
LEVEL = 0.05
POWER = 0.8


def compare(
    by_query: Mapping[str, Mapping[str, Values]],
    baseline: str,
    clusters: Sequence[object],
    *,
    seed: int,
    measures: Sequence[str] = COMPARED_MEASURES,
) -> tuple[Comparison, ...]:
    """Return every contender's paired difference to the baseline, contender by contender.

    The p-values of one measure are corrected for the number of contenders (Holm).

    Args:
        by_query: Contender -> measure -> float64 (n_queries,), in [0, 1].
        baseline: One of the contenders.
        clusters: For each query what it goes together with, such as its document.
        seed: Of the bootstrap and the randomisation test.
    """
    names = [name for name in by_query if name != baseline]
    cells = [(name, measure) for measure in measures for name in names]
    if not cells:
        return ()
    columns = np.stack([by_query[n][m] - by_query[baseline][m] for n, m in cells], axis=1)
    found = paired_difference_columns(columns, clusters, seed=seed)
    detectable = detectable_differences(columns, clusters)
    parts = []
    for number, measure in enumerate(measures):
        mine = slice(number * len(names), (number + 1) * len(names))
        mean = float(by_query[baseline][measure].mean())
        parts.append(describe(names, baseline, measure, mean, found[mine], detectable[mine]))
    return tuple(comparison for together in zip(*parts, strict=True) for comparison in together)


def describe(
    names: Sequence[str],
    baseline: str,
    measure: str,
    baseline_mean: float,
    found: Sequence[tuple[Interval, float]],
    detectable: Sequence[float | None],
) -> list[Comparison]:
    """Return one measure's comparisons, in the order of `names`.

    Args:
        baseline_mean: The baseline's mean in this measure.
        found: For each name the difference with its interval, and the p-value.
        detectable: For each name the difference that would be found.
    """
    adjusted = holm([p_value for _, p_value in found])
    return [
        Comparison(
            name,
            baseline,
            measure,
            difference,
            p_value,
            p_adjusted=float(corrected),
            detectable=least,
            headroom_gained=headroom_gained(difference.value, baseline_mean),
        )
        for name, (difference, p_value), corrected, least in zip(
            names, found, adjusted, detectable, strict=True
        )
    ]


def holm(p_values: Sequence[float] | Values) -> Values:
    """Return the p-values corrected for their number, in the same order (Holm 1979)."""
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def detectable_differences(differences: Values, clusters: Sequence[object]) -> list[float | None]:
    """Return for each column the true difference that is found with 80 % power at the 5 % level.

    That of one test, two-sided, before any correction; as many questions in as many clusters. None
    with fewer than two clusters, or where it would exceed any difference there can be.

    Args:
        differences: float64 (n_queries, n_columns), in [-1, 1].
    """
    sums, sizes = sum_by_cluster(differences, clusters)
    if len(sizes) < 2:
        return [None] * sums.shape[1]
    n, df = sizes.sum(), degrees_of_freedom(sizes)
    # One more question that differs, as in the interval: few of them say little of their number.
    variance = mean_variance(sums, sizes) * n**2 + largest_difference(differences) ** 2
    quantiles = t_quantile(1 - LEVEL / 2, df) + t_quantile(POWER, df)
    found = quantiles * np.sqrt(variance) / (n + 1)
    return [float(value) if value <= 1 else None for value in found]


def questions_needed(
    n_queries: int, detectable: float, difference: float, *, n_compared: int = 1
) -> int:
    """Return about how many more questions would show a difference, 0 if there are enough.

    With 80 % power, to two digits, and tens below a hundred. Supposes further questions like those
    there are, about as many further clusters.

    Args:
        n_queries: How many there are.
        detectable: What they show in one test, as `detectable_differences` has it.
        difference: What is to be shown; its sign does not matter.
        n_compared: How many contenders the difference has to stand out among.
    """
    normal, power = NormalDist(), NormalDist().inv_cdf(POWER)
    corrected = normal.inv_cdf(1 - LEVEL / 2 / n_compared) + power
    wider = corrected / (normal.inv_cdf(1 - LEVEL / 2) + power)
    n_more = n_queries * (wider * detectable / abs(difference)) ** 2 - n_queries
    if n_more <= 0:
        return 0
    step = int(10 ** max(1, math.floor(math.log10(n_more)) - 1))
    return math.ceil(n_more / step) * step


def headroom_gained(difference: float, baseline: float) -> float | None:
    """Return the share of what the baseline leaves to gain; None where it leaves nothing."""
    room = 1.0 - baseline
    return difference / room if room > 1e-9 else None
