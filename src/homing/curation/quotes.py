"""Where quotes stand: thousands of quotes looked for in all documents at once.

Texts are compared without spaces, case and the typography of quotes and dashes, so that line
breaks and a word processor's habits make no difference. Exact places come from a rolling hash over
the text (Karp and Rabin 1987), one pass for each of five lengths, whatever the number of quotes;
what is not found word for word is compared by edit distance with the passages that share its
rarest words.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from homing.types import Document, Passage

LENGTHS = (64, 32, 16, 8, 4)
SLICE = 1 << 20
TABLE_BITS = 20
BASE = 0x9E3779B97F4A7C15
TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", None),
    }
)


def condensed(text: str) -> str:
    """Return a text without spaces, case and typography, for comparison alone."""
    plain = unicodedata.normalize("NFKC", text.translate(TYPOGRAPHY))
    return "".join(plain.casefold().split())


@dataclass(frozen=True)
class CondensedDocument:
    """A document's condensed text, and where its passages lie in it.

    Attributes:
        passages: In the order of their starts.
        starts: Offset in `text` of each passage.
        ends: Offset in `text` at which each passage ends.
    """

    text: str
    passages: Sequence[Passage]
    starts: Sequence[int]
    ends: Sequence[int]

    def holders(self, start: int, end: int) -> list[Passage]:
        """Return the passages that hold a place whole; else those with the larger part of it.

        A place outside every passage, such as a heading's line, belongs to the next one.
        """
        shares = [min(end, e) - max(start, s) for s, e in zip(self.starts, self.ends, strict=True)]
        largest = max(shares, default=0)
        if largest > 0:
            enough = min(largest, (end - start + 1) // 2)
            if largest == end - start:
                enough = largest
            return [p for p, n in zip(self.passages, shares, strict=True) if n >= enough]
        following = bisect_right(self.starts, start)
        return list(self.passages[following : following + 1])


def condense(
    documents: Iterable[Document], passages: Sequence[Passage]
) -> dict[str, list[CondensedDocument]]:
    """Return document id -> its condensed text; a passage of no known document stands alone."""
    by_document: dict[str, list[Passage]] = {}
    for passage in passages:
        by_document.setdefault(passage.document_id, []).append(passage)
    result = {}
    for document in documents:
        members = by_document.pop(document.id, [])
        if members:
            result[document.id] = [_condense_document(document.text, members)]
    for document_id, members in by_document.items():
        result[document_id] = []
        for p in members:
            text = condensed(p.text)
            result[document_id].append(CondensedDocument(text, [p], [0], [len(text)]))
    return result


def _condense_document(text: str, passages: Iterable[Passage]) -> CondensedDocument:
    ordered = sorted(passages, key=lambda p: (p.start, p.end, p.id))
    borders = sorted({0, len(text), *(b for p in ordered for b in (p.start, p.end))})
    parts = [condensed(text[a:b]) for a, b in pairwise(borders)]
    place = dict(zip(borders, accumulate(map(len, parts), initial=0), strict=True))
    starts, ends = [place[p.start] for p in ordered], [place[p.end] for p in ordered]
    return CondensedDocument("".join(parts), ordered, starts, ends)


def find_places(text: str, quotes: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Yield (key, offset) of every place in a condensed text where a condensed quote stands.

    Args:
        quotes: Key -> condensed quote; quotes of fewer than `LENGTHS[-1]` characters are not
            looked for.
    """
    for length, longer in zip(LENGTHS, (None, *LENGTHS), strict=False):
        fitting = {
            key: quote
            for key, quote in quotes.items()
            if len(quote) >= length and (longer is None or len(quote) < longer)
        }
        if fitting:
            yield from _places_of_length(text, fitting, length)


def _places_of_length(
    text: str, quotes: Mapping[str, str], length: int
) -> Iterator[tuple[str, int]]:
    anchors: dict[int, list[str]] = {}
    for key, quote in quotes.items():
        anchors.setdefault(int(_hashes(quote[:length], length)[0]), []).append(key)
    # A table of the hashes' upper bits sorts out nearly every place before the exact look-up.
    wanted = np.zeros(1 << TABLE_BITS, dtype=np.bool_)
    shift = np.uint64(64 - TABLE_BITS)
    wanted[np.array(list(anchors), dtype=np.uint64) >> shift] = True
    for start in range(0, max(len(text) - length + 1, 0), SLICE):
        hashes = _hashes(text[start : start + SLICE + length - 1], length)
        for offset in np.flatnonzero(wanted[hashes >> shift]).tolist():
            for key in anchors.get(int(hashes[offset]), ()):
                if text.startswith(quotes[key], start + offset):
                    yield key, start + offset


def _hashes(text: str, length: int) -> NDArray[np.uint64]:
    """Return a hash of every run of `length` (a power of two) characters.

    By doubling: the hash of a run is that of its first half times a constant, plus that of its
    second half, modulo 2**64.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    hashes = codes.astype(np.uint64)
    step = 1
    while step < length:
        factor = np.uint64(pow(BASE, step, 1 << 64))
        hashes = hashes[:-step] * factor + hashes[step:]
        step *= 2
    return hashes
