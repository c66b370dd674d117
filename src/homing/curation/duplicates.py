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

import numpy as np
from numpy.typing import NDArray

from homing.curation.shingles import ShingleSets, WordHashes, minhash, mix, shingle_sets
from homing.curation.unionfind import UnionFind
from homing.curation.words import words_of
from homing.types import Passage

MIN_WORDS_NEAR = 50
MIN_WORDS_TITLE = 12
N_BANDS = 16
N_ROWS = 5
SEED = 20_261
MAX_COMPARED = 64
"""Distinct groups of one bucket that a passage is compared with, the nearest in size; a bound on
the work where thousands of passages share a template."""


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
    _join_near(groups, rows, shingle_sets(long_texts), threshold)
    return {passage.id: ordered[groups.find(i)].id for i, passage in enumerate(ordered)}


def _exact_key(passage: Passage, words: Sequence[str]) -> bytes:
    """Return a digest that is equal for passages that say the same, word for word."""
    if len(words) >= MIN_WORDS_TITLE:
        content = " ".join(words)
    else:
        content = "\0".join([passage.title.casefold(), *passage.text.casefold().split()])
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()


def _join_near(
    groups: UnionFind, rows: Sequence[int], shingles: ShingleSets, threshold: float
) -> None:
    """Join those of `rows` whose shingles, in the same order, reach the threshold."""
    if len(rows) < 2:
        return
    sizes = shingles.sizes()
    keys = _band_keys(shingles)
    for band in range(N_BANDS):
        for bucket in _buckets(keys[:, band], sizes):
            _join_bucket(groups, rows, bucket, shingles, threshold)


def _buckets(keys: NDArray[np.uint64], sizes: NDArray[np.int64]) -> Iterator[list[int]]:
    """Yield the positions of each key that occurs more than once, smallest set first."""
    order = np.lexsort((sizes, keys))
    borders = np.flatnonzero(np.diff(keys[order])) + 1
    starts = np.concatenate([[0], borders])
    stops = np.concatenate([borders, [len(keys)]])
    for i in np.flatnonzero(stops - starts > 1):
        yield order[starts[i] : stops[i]].tolist()


def _band_keys(shingles: ShingleSets) -> NDArray[np.uint64]:
    """Return (n, N_BANDS): equal where two texts agree in all rows of a band."""
    keys = np.empty((len(shingles), N_BANDS), dtype=np.uint64)
    for start, sketches in minhash(shingles, N_BANDS * N_ROWS, SEED):
        bands = sketches.astype(np.uint64).reshape(len(sketches), N_BANDS, N_ROWS)
        mixed = np.zeros((len(sketches), N_BANDS), dtype=np.uint64)
        for row in range(N_ROWS):
            mixed = mix(mixed ^ bands[:, :, row])
        keys[start : start + len(sketches)] = mixed
    return keys


def _join_bucket(
    groups: UnionFind,
    rows: Sequence[int],
    bucket: Sequence[int],
    shingles: ShingleSets,
    threshold: float,
) -> None:
    """Join what is alike in one bucket, which is sorted by size, smallest first."""
    latest: dict[int, int] = {}
    for i in bucket:
        n_shingles = len(shingles.of(i))
        for n_compared, j in enumerate(reversed(latest.values())):
            too_small = len(shingles.of(j)) < threshold * n_shingles
            if too_small or n_compared == MAX_COMPARED:
                break
            apart = groups.find(rows[i]) != groups.find(rows[j])
            if apart and shingles.jaccard(i, j) >= threshold:
                groups.join(rows[i], rows[j])
        root = groups.find(rows[i])
        latest.pop(root, None)
        latest[root] = i
