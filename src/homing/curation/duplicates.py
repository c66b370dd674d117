"""Groups of passages that say the same: equal texts, and long texts that hardly differ.

Two passages are near duplicates when the Jaccard similarity of their three-word shingles reaches
the threshold. Candidates come from MinHash with locality-sensitive hashing (16 bands of 5: finds
99.9 % of the pairs at 0.85), and every candidate is then verified on the full sets. In short
texts one word makes the difference ("Return the sine" and "Return the cosine"), so below
`MIN_WORDS_NEAR` words the words must be equal, and below `MIN_WORDS_TITLE` the titles too.

Cost: 100,000 passages of 200 words take under a minute and some 400 MB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from homing.curation.shingles import ShingleSets, WordHashes, minhash, mix, shingle_sets
from homing.curation.unionfind import UnionFind
from homing.types import Passage
from homing.words import words_of

MIN_WORDS_NEAR = 50
MIN_WORDS_TITLE = 12
N_BANDS = 16
N_ROWS = 5
SEED = 20_261
MAX_COMPARED = 64
MAX_VERIFIED = 4
"""Of each group in a bucket one passage is compared by its sketch, at most `MAX_COMPARED` of them,
the nearest in size; the likeliest `MAX_VERIFIED` are then verified. A bound on the work where
thousands of passages share a template."""


def find_groups(passages: Sequence[Passage], *, threshold: float = 0.85) -> dict[str, str]:
    """Return passage id -> group id, equal for exact and near duplicates.

    A passage that is alone has its own id as group id; otherwise the smallest id in the group
    stands for it. The order of the passages does not matter.

    Args:
        passages: With distinct ids.
        threshold: Jaccard similarity of shingles from which long texts are near duplicates,
            in (0, 1].
    """
    ordered = sorted(passages, key=lambda p: p.id)
    groups = UnionFind(len(ordered))
    hashes = WordHashes()
    first: dict[bytes, int] = {}
    rows, long_texts = [], []
    for i, passage in enumerate(ordered):
        words = words_of(passage.text)
        groups.join(i, first.setdefault(_exact_key(passage, words), i))
        if len(words) >= MIN_WORDS_NEAR and groups.find(i) == i:
            rows.append(i)
            long_texts.append(hashes.of(words))
    if long_texts:
        _NearDuplicates(groups, rows, shingle_sets(long_texts), threshold).join()
    return {passage.id: ordered[groups.find(i)].id for i, passage in enumerate(ordered)}


def _exact_key(passage: Passage, words: Sequence[str]) -> bytes:
    """Return a digest that is equal for passages that say the same, word for word."""
    if len(words) >= MIN_WORDS_TITLE:
        content = " ".join(words)
    else:
        content = "\0".join([passage.title.casefold(), *passage.text.casefold().split()])
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()


class _NearDuplicates:
    """Long texts, to be joined with those like them.

    Args:
        groups: Where they are joined.
        rows: The number of each text in `groups`.
        shingles: Of the same texts.
    """

    def __init__(
        self, groups: UnionFind, rows: Sequence[int], shingles: ShingleSets, threshold: float
    ) -> None:
        self.groups = groups
        self.rows = rows
        self.shingles = shingles
        self.sizes = shingles.sizes().tolist()
        self.sketches = minhash(shingles, N_BANDS * N_ROWS, SEED)
        self.threshold = threshold

    def join(self) -> None:
        """Join the pairs at or above the threshold, but for a few in a thousand.

        More are missed where thousands of texts share a template; see `MAX_COMPARED`.
        """
        for band in range(0, N_BANDS * N_ROWS, N_ROWS):
            keys = np.zeros(len(self.rows), dtype=np.uint64)
            for column in range(band, band + N_ROWS):
                keys = mix(keys ^ self.sketches[:, column])
            for bucket in _buckets(keys, self.sizes):
                self._join_bucket(bucket)

    def _join_bucket(self, bucket: Sequence[int]) -> None:
        """Join what is alike in one bucket, which is sorted by size, smallest first."""
        latest: dict[int, int] = {}
        for i in bucket:
            group = self.rows[i]
            for j in self._likeliest(i, list(islice(reversed(latest.values()), MAX_COMPARED))):
                apart = self.groups.find(group) != self.groups.find(self.rows[j])
                if apart and self.shingles.jaccard(i, j) >= self.threshold:
                    self.groups.join(group, self.rows[j])
            root = self.groups.find(group)
            latest.pop(root, None)
            latest[root] = i

    def _likeliest(self, i: int, others: list[int]) -> list[int]:
        """Return up to `MAX_VERIFIED` of the others that may reach the threshold."""
        smallest = self.threshold * self.sizes[i]
        large_enough = [j for j in others if self.sizes[j] >= smallest]
        if len(large_enough) <= MAX_VERIFIED:
            return large_enough
        n_equal = (self.sketches[large_enough] == self.sketches[i]).sum(axis=1)
        best = np.argsort(-n_equal, kind="stable")[:MAX_VERIFIED]
        return [large_enough[k] for k in best]


def _buckets(keys: NDArray[np.uint64], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Yield the positions of each key that occurs more than once, smallest set first."""
    order = np.lexsort((np.asarray(sizes), keys))
    borders = np.flatnonzero(np.diff(keys[order])) + 1
    starts = np.concatenate([[0], borders])
    stops = np.concatenate([borders, [len(keys)]])
    for i in np.flatnonzero(stops - starts > 1):
        yield order[starts[i] : stops[i]].tolist()
