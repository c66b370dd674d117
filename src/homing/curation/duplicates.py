"""Groups of passages that say the same: equal texts, and long texts that hardly differ.

Two passages are near duplicates when the Jaccard similarity of their three-word shingles reaches
the threshold. Candidates come from MinHash with locality-sensitive hashing (16 bands of 5: finds
99.9 % of the pairs at 0.85), and every candidate is then verified on the full sets. In short
texts one word makes the difference ("Return the sine" and "Return the cosine"), so below
`MIN_WORDS_NEAR` words the words must be equal, and below `MIN_WORDS_TITLE` the titles too.

Cost: 100,000 passages of 200 words take under a minute and some 400 MB. The sketches, which are
most of both, can be made in parts and elsewhere, and lie in files that are mapped into memory;
besides them `group_rows` takes some 200 bytes a passage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from homing.curation.digests import first_rows
from homing.curation.sketching import N_BANDS, Sketches, sketch_passages
from homing.curation.unionfind import UnionFind
from homing.types import IntArray, Passage

THRESHOLD = 0.85
MAX_COMPARED = 64
MAX_VERIFIED = 4
"""Of each group in a bucket one passage is compared by its sketch, at most `MAX_COMPARED` of them,
the nearest in size; the likeliest `MAX_VERIFIED` are then verified. A bound on the work where
thousands of passages share a template."""


def find_groups(passages: Sequence[Passage], *, threshold: float = THRESHOLD) -> dict[str, str]:
    """Return passage id -> group id, equal for exact and near duplicates.

    A passage that is alone has its own id as group id; otherwise the smallest id in the group
    stands for it. The order of the passages does not matter.

    Args:
        passages: With distinct ids.
        threshold: Jaccard similarity of shingles from which long texts are near duplicates,
            in (0, 1].
    """
    ordered = sorted(passages, key=lambda p: p.id)
    order = np.arange(len(ordered), dtype=np.int64)
    groups = group_rows(sketch_passages(ordered), order, threshold=threshold)
    return {p.id: ordered[row].id for p, row in zip(ordered, groups.tolist(), strict=True)}


def group_rows(sketches: Sketches, order: IntArray, *, threshold: float = THRESHOLD) -> IntArray:
    """Return for each passage the row of the one that stands for its group, int64 (n,).

    Args:
        sketches: Of all passages.
        order: Their rows in the order of their ids.
        threshold: See `find_groups`.
    """
    n = len(order)
    ranks = np.empty(n, dtype=np.int64)
    ranks[order] = np.arange(n)
    first = first_rows(sketches.keys[order])
    groups = UnionFind(n)
    for rank in np.flatnonzero(first != np.arange(n)).tolist():
        groups.join(int(first[rank]), rank)
    # Of equal texts one is compared; the others are in its group whatever comes out.
    long_ranks = ranks[sketches.long]
    chosen = np.flatnonzero(first[long_ranks] == long_ranks)
    chosen = chosen[np.argsort(long_ranks[chosen])]
    if len(chosen):
        _NearDuplicates(groups, long_ranks[chosen], sketches, chosen, threshold).join()
    return order[np.array(groups.roots(), dtype=np.int64)[ranks]]


class _NearDuplicates:
    """Long texts, to be joined with those like them.

    Args:
        groups: Where they are joined.
        ranks: The number of each text in `groups`, ascending.
        sketches: Of these texts and others.
        chosen: The position of each text among those that are long.
    """

    def __init__(
        self,
        groups: UnionFind,
        ranks: IntArray,
        sketches: Sketches,
        chosen: IntArray,
        threshold: float,
    ) -> None:
        self.groups = groups
        self.ranks: list[int] = ranks.tolist()
        self.sketches = sketches
        self.chosen = chosen
        self.sizes: list[int] = sketches.shingles.sizes()[chosen].tolist()
        self.threshold = threshold

    def join(self) -> None:
        """Join the pairs at or above the threshold, but for a few in a thousand.

        More are missed where thousands of texts share a template; see `MAX_COMPARED`.
        """
        for band in range(N_BANDS):
            for bucket in _buckets(self.sketches.bands[self.chosen, band], self.sizes):
                self._join_bucket(bucket)

    def _join_bucket(self, bucket: Sequence[int]) -> None:
        """Join what is alike in one bucket, which is sorted by size, smallest first."""
        latest: dict[int, int] = {}
        for i in bucket:
            group = self.ranks[i]
            for j in self._likeliest(i, list(islice(reversed(latest.values()), MAX_COMPARED))):
                apart = self.groups.find(group) != self.groups.find(self.ranks[j])
                if apart and self._jaccard(i, j) >= self.threshold:
                    self.groups.join(group, self.ranks[j])
            root = self.groups.find(group)
            latest.pop(root, None)
            latest[root] = i

    def _jaccard(self, i: int, j: int) -> float:
        return self.sketches.shingles.jaccard(int(self.chosen[i]), int(self.chosen[j]))

    def _likeliest(self, i: int, others: list[int]) -> list[int]:
        """Return up to `MAX_VERIFIED` of the others that may reach the threshold."""
        smallest = self.threshold * self.sizes[i]
        large_enough = [j for j in others if self.sizes[j] >= smallest]
        if len(large_enough) <= MAX_VERIFIED:
            return large_enough
        sketches = self.sketches.minhash
        is_equal = sketches[self.chosen[large_enough]] == sketches[self.chosen[i]]
        best = np.argsort(-is_equal.sum(axis=1), kind="stable")[:MAX_VERIFIED]
        return [large_enough[k] for k in best]


def _buckets(keys: NDArray[np.uint64], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Yield the positions of each key that occurs more than once, smallest set first."""
    order = np.lexsort((np.asarray(sizes), keys))
    borders = np.flatnonzero(np.diff(keys[order])) + 1
    starts = np.concatenate([[0], borders])
    stops = np.concatenate([borders, [len(keys)]])
    for i in np.flatnonzero(stops - starts > 1):
        yield order[starts[i] : stops[i]].tolist()
