"""What is to know of each text to find its near duplicates, without the text itself.

Each text is sketched on its own, so that texts may be sketched anywhere, in parts. Of a text of 75
words 0.8 kB are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.curation.digests import Digests, digests_of
from homing.curation.shingles import ShingleSets, UIntArray, WordHashes, minhash, mix, shingle_sets
from homing.types import IntArray, Passage
from homing.words import words_of

MIN_WORDS_NEAR = 50
MIN_WORDS_TITLE = 12
N_BANDS = 16
N_ROWS = 5
SEED = 20_261


@dataclass(frozen=True)
class Sketches:
    """What is known of some texts.

    Attributes:
        keys: Equal for texts that say the same, word for word (n,).
        long: Rows of the texts of at least `MIN_WORDS_NEAR` words, ascending, int64 (m,).
        shingles: Of the long texts.
        minhash: Their sketches, uint32 (m, N_BANDS * N_ROWS).
        bands: Texts with an equal value in a column are candidates, uint64 (m, N_BANDS).
    """

    keys: Digests
    long: IntArray
    shingles: ShingleSets
    minhash: UIntArray
    bands: NDArray[np.uint64]


def sketch_passages(passages: Sequence[Passage]) -> Sketches:
    """Return the sketches of the texts, in their order."""
    hashes = WordHashes()
    keys, long, long_texts = [], [], []
    for row, passage in enumerate(passages):
        words = words_of(passage.text)
        keys.append(_exact_key(passage, words))
        if len(words) >= MIN_WORDS_NEAR:
            long.append(row)
            long_texts.append(hashes.of(words))
    shingles = shingle_sets(long_texts)
    sketches = minhash(shingles, N_BANDS * N_ROWS, SEED)
    return Sketches(
        digests_of(keys), np.array(long, dtype=np.int64), shingles, sketches, _bands(sketches)
    )


def _exact_key(passage: Passage, words: Sequence[str]) -> str:
    """Return what passages share that say the same, word for word."""
    if len(words) >= MIN_WORDS_TITLE:
        return " ".join(words)
    return "\0".join([passage.title.casefold(), *passage.text.casefold().split()])


def _bands(sketches: UIntArray) -> NDArray[np.uint64]:
    """Return one number for each band of the sketches, uint64 (m, N_BANDS)."""
    bands = np.zeros((len(sketches), N_BANDS), dtype=np.uint64)
    for band in range(N_BANDS):
        keys = bands[:, band]
        for column in range(band * N_ROWS, (band + 1) * N_ROWS):
            keys = mix(keys ^ sketches[:, column])
        bands[:, band] = keys
    return bands
