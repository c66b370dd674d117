"""Texts as sets of hashed shingles (runs of three words), and MinHash sketches of those sets.

Cost: one pass in Python over the words, then NumPy. Memory: 4 bytes for each word and each distinct
shingle of each passage, plus a chunk at work.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UIntArray = NDArray[np.uint32]

N_WORDS = 3
CHUNK = 1024


class WordHashes(dict[str, int]):
    """The CRC-32 of each word, computed once; the same on every machine, unlike `hash`."""

    def __missing__(self, word: str) -> int:
        value = self[word] = zlib.crc32(word.encode("utf-8", "surrogatepass"))
        return value

    def of(self, words: Sequence[str]) -> UIntArray:
        """Return uint32 (n_words,)."""
        return np.fromiter(map(self.__getitem__, words), dtype=np.uint32, count=len(words))


@dataclass(frozen=True)
class ShingleSets:
    """The distinct shingles of each text, sorted, one text after the other.

    Attributes:
        values: uint32, hashes of shingles.
        offsets: int64 (n + 1,); text `i` has `values[offsets[i]:offsets[i + 1]]`.
    """

    values: UIntArray
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def sizes(self) -> NDArray[np.int64]:
        """Return how many distinct shingles each text has."""
        return np.diff(self.offsets)

    def of(self, i: int) -> UIntArray:
        """Return the sorted shingles of one text."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def jaccard(self, a: int, b: int) -> float:
        """Return the share of their shingles that two texts have in common, in [0, 1]."""
        first, second = self.of(a), self.of(b)
        n_common = len(np.intersect1d(first, second, assume_unique=True))
        n_all = len(first) + len(second) - n_common
        return n_common / n_all if n_all else 1.0


def shingle_sets(texts: Sequence[UIntArray]) -> ShingleSets:
    """Return the shingle sets of texts of at least `N_WORDS` words, given as word hashes."""
    parts: list[UIntArray] = []
    sizes = np.zeros(len(texts) + 1, dtype=np.int64)
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]
        # Row and shingle in one number, so that one sort finds the distinct ones of every row.
        numbered = np.sort(_numbered_shingles(chunk))
        distinct = numbered[np.concatenate([[True], numbered[1:] != numbered[:-1]])]
        parts.append(distinct.astype(np.uint32))
        rows = (distinct >> np.uint64(32)).astype(np.int64)
        sizes[start + 1 : start + 1 + len(chunk)] = np.bincount(rows, minlength=len(chunk))
    values = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint32)
    return ShingleSets(values, np.cumsum(sizes))


def _numbered_shingles(texts: Sequence[UIntArray]) -> NDArray[np.uint64]:
    """Return `row << 32 | hash` of every run of `N_WORDS` words that lies in one text."""
    words = np.concatenate(texts).astype(np.uint64)
    rows = np.repeat(np.arange(len(texts), dtype=np.uint64), [len(t) for t in texts])
    n = len(words) - N_WORDS + 1
    mixed = np.zeros(n, dtype=np.uint64)
    for j in range(N_WORDS):
        mixed = mix(mixed ^ words[j : n + j])
    inside = rows[:n] == rows[N_WORDS - 1 :]
    numbered = (rows[:n] << np.uint64(32)) | (mixed >> np.uint64(32))
    shingles: NDArray[np.uint64] = numbered[inside]
    return shingles


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a well-stirred permutation of 64-bit numbers (the finaliser of splitmix64)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def minhash(sets: ShingleSets, n_hashes: int, seed: int) -> UIntArray:
    """Return uint32 sketches (n, n_hashes) of non-empty sets.

    The share of equal entries of two sketches estimates the Jaccard similarity of their sets
    (Broder 1997).
    """
    rng = np.random.default_rng(seed)
    multipliers = rng.integers(0, 2**31, n_hashes, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    masks = rng.integers(0, 2**32, n_hashes, dtype=np.uint32)
    sketches = np.empty((len(sets), n_hashes), dtype=np.uint32)
    for start in range(0, len(sets), CHUNK):
        stop = min(start + CHUNK, len(sets))
        low, high = sets.offsets[start], sets.offsets[stop]
        values = sets.values[low:high]
        starts = sets.offsets[start:stop] - low
        for j in range(n_hashes):
            hashed = (values ^ masks[j]) * multipliers[j]
            hashed ^= hashed >> np.uint32(15)
            sketches[start:stop, j] = np.minimum.reduceat(hashed * np.uint32(0x2C1B3C6D), starts)
    return sketches
