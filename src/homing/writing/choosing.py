"""Which passages to ask about first, where there are more than can be paid for.

The vectors are cut into about as many clusters as the square root of their number (mini-batch
k-means), and the clusters take turns, so that each subject is asked about before any is asked about
much. Within a cluster the passage nearest to its centre comes first; then always the one that is
farthest from those before (Gonzalez 1985), for the first `N_SPREAD`. Of passages that say the same
only one is in this; copies follow, and boilerplate comes last of all.

Cost: linear in the passages; beside the vectors a copy of them and, for a moment, their distances
to the centres in blocks. 100,000 x 384 take some ten seconds of one core.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from homing.errors import MissingDependencyError
from homing.types import FloatArray, Passage, content_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_CLUSTERS = 1024
BATCH_SIZE = 4096
MAX_EPOCHS = 10
N_SPREAD = 64
"""Of each cluster; whoever asks about more of it takes the rest by how far they are from those."""
BLOCK_ROWS = 8192


def choose_passages(
    passages: Sequence[Passage],
    vectors: FloatArray,
    *,
    n: int,
    groups: Mapping[str, str],
    last: Collection[str],
    seed: int = 0,
) -> list[str]:
    """Return the ids of the first `n` passages to ask about, in order of preference.

    Nested: for a larger `n` the list begins with that for a smaller one, so that a later run adds
    to an earlier one. The order of the passages does not matter.

    Args:
        passages: With distinct ids.
        vectors: float32 (n_passages, d), rows of length 1, in the order of the passages.
        n: All are returned where it is larger than their number.
        groups: Passage id -> group id, equal for near duplicates; those left out are alone.
        last: Ids of passages that are boilerplate.

    Raises:
        ValueError: There are not as many vectors as passages.
        MissingDependencyError: scikit-learn is not installed.
    """
    import numpy as np

    if len(vectors) != len(passages):
        raise ValueError(f"{len(passages)} passages need as many vectors, not {len(vectors)}")
    if n <= 0 or not passages:
        return []
    rows = {passage.id: row for row, passage in enumerate(passages)}
    ids = sorted(rows)
    last = frozenset(last)
    content = [i for i in ids if i not in last]
    boilerplate = [i for i in ids if i in last]
    first, copies = _split_copies(content, groups)
    chosen = np.asarray(vectors[[rows[i] for i in first]], dtype=np.float32)
    order = [first[i] for i in _spread_order(chosen, seed)]
    order += _in_order_of(
        copies, {groups.get(i, i): place for place, i in enumerate(order)}, groups
    )
    order += sorted(boilerplate, key=lambda i: content_id(str(seed), i))
    return order[:n]


def _split_copies(
    ids: Sequence[str], groups: Mapping[str, str]
) -> tuple[list[str], list[tuple[int, str]]]:
    """Return the first passage of each group, and the others with which copy they are."""
    first: list[str] = []
    copies: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    for passage_id in ids:
        group = groups.get(passage_id, passage_id)
        seen[group] = seen.get(group, 0) + 1
        if seen[group] == 1:
            first.append(passage_id)
        else:
            copies.append((seen[group], passage_id))
    return first, copies


def _in_order_of(
    copies: Sequence[tuple[int, str]], places: Mapping[str, int], groups: Mapping[str, str]
) -> list[str]:
    """Return the copies: all second ones, then all third ones, by the place of the first."""
    return [i for _, _, i in sorted((nth, places[groups.get(i, i)], i) for nth, i in copies)]


def _spread_order(vectors: FloatArray, seed: int) -> list[int]:
    """Return the rows in order of preference: the clusters, largest first, take turns."""
    if not len(vectors):
        return []
    try:
        from sklearn.cluster import MiniBatchKMeans
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingDependencyError.for_extra("scikit-learn", "train") from error
    n_clusters = min(MAX_CLUSTERS, max(1, round(len(vectors) ** 0.5)))
    means: Any = MiniBatchKMeans(
        n_clusters,
        batch_size=BATCH_SIZE,
        max_iter=MAX_EPOCHS,
        n_init=1,
        random_state=seed,
        compute_labels=False,  # it would hold all distances at once
    )
    # On one core: sums come out the same on any machine, and threads that wait for each other in
    # blocks this small cost more than they bring.
    with threadpool_limits(limits=1):
        centres = means.fit(vectors).cluster_centers_
        return _in_turns(vectors, centres, _labels(vectors, centres))


def _labels(vectors: FloatArray, centres: FloatArray) -> NDArray[np.int64]:
    """Return the nearest centre of each row."""
    import numpy as np

    halves = 0.5 * (centres**2).sum(axis=1)
    labels = np.empty(len(vectors), dtype=np.int64)
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        labels[block] = (vectors[block] @ centres.T - halves).argmax(axis=1)
    return labels


def _in_turns(vectors: FloatArray, centres: FloatArray, labels: NDArray[np.int64]) -> list[int]:
    """Return the rows, one of each cluster in turn, the larger clusters first."""
    import numpy as np

    by_label = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[by_label], np.arange(len(centres) + 1))
    ranks = np.zeros(len(vectors), dtype=np.int64)
    sizes = np.zeros(len(vectors), dtype=np.int64)
    for centre, (start, end) in zip(centres, pairwise(bounds), strict=True):
        rows = by_label[start:end]
        if len(rows):
            ranks[rows[_order_within(vectors[rows], centre)]] = np.arange(len(rows))
            sizes[rows] = len(rows)
    return [int(i) for i in np.lexsort((labels, -sizes, ranks))]


def _order_within(vectors: FloatArray, centre: FloatArray) -> NDArray[np.int64]:
    """Return the rows of one cluster: the nearest to its centre, then each far from those before.

    Distances are rounded, so that the last bits, which depend on the machine, decide nothing.
    """
    import numpy as np

    chosen = [int(np.round(vectors @ centre, 5).argmax())]
    nearest = np.full(len(vectors), -np.inf, dtype=np.float32)
    for _ in range(min(N_SPREAD, len(vectors))):
        nearest = np.maximum(nearest, np.round(vectors @ vectors[chosen[-1]], 5))
        nearest[chosen[-1]] = np.inf
        if len(chosen) < min(N_SPREAD, len(vectors)):
            chosen.append(int(nearest.argmin()))
    rest = np.argsort(nearest, kind="stable")
    return np.array([*chosen, *rest[np.isfinite(nearest[rest])]], dtype=np.int64)
