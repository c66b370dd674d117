"""Quotes with small mistakes: compared by edit distance with passages that share their words."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from homing.types import Passage
from homing.words import words_of

MIN_RATIO = 90.0
MIN_WORDS = 5
N_CANDIDATES = 10
MAX_POSTINGS = 500


def find_alike(
    quotes: Mapping[int, str],
    where: Mapping[int, Collection[str] | None],
    passages: Sequence[Passage],
) -> dict[int, list[Passage]]:
    """Return key -> the passages of which a part is nearly the quote; keys without any are absent.

    Nearly: an edit similarity of at least 90 % with the best-fitting stretch (rapidfuzz's
    partial ratio), all digits of the quote in the passage, and a passage that can hold the larger
    part of it. The best passages alone count.

    Args:
        quotes: Key -> quote; those of fewer than `MIN_WORDS` words are left out.
        where: Key -> ids of the documents to look in; None: in all.
    """
    from rapidfuzz import fuzz

    words = {key: words_of(quote) for key, quote in quotes.items()}
    words = {key: w for key, w in words.items() if len(w) >= MIN_WORDS}
    if not words:
        return {}
    postings = _postings({word for w in words.values() for word in w}, passages)
    texts: dict[int, list[str]] = {}
    alike = {}
    for key, quote_words in words.items():
        scored: dict[int, float] = {}
        quote = " ".join(quote_words)
        for i in _candidates(quote_words, postings, passages, where[key]):
            passage_words = texts.setdefault(i, words_of(passages[i].text))
            if 2 * len(passage_words) >= len(quote_words) and _has_numbers(
                quote_words, passage_words
            ):
                scored[i] = fuzz.partial_ratio(quote, " ".join(passage_words))
        best = max(scored.values(), default=0.0)
        if best >= MIN_RATIO:
            alike[key] = [passages[i] for i in sorted(scored) if scored[i] == best]
    return alike


def _postings(wanted: Collection[str], passages: Sequence[Passage]) -> dict[str, list[int]]:
    postings: dict[str, list[int]] = {word: [] for word in wanted}
    for i, passage in enumerate(passages):
        for word in set(words_of(passage.text)) & postings.keys():
            postings[word].append(i)
    return postings


def _candidates(
    words: Sequence[str],
    postings: Mapping[str, Sequence[int]],
    passages: Sequence[Passage],
    document_ids: Collection[str] | None,
) -> list[int]:
    """Return the positions of the passages that share the most and the rarest words."""
    scores: dict[int, float] = {}
    rarest = sorted(set(words), key=lambda word: (len(postings[word]), word))
    for word in rarest:
        if scores and len(postings[word]) > MAX_POSTINGS:
            break
        weight = math.log1p(len(passages) / (1 + len(postings[word])))
        for i in postings[word]:
            if document_ids is None or passages[i].document_id in document_ids:
                scores[i] = scores.get(i, 0.0) + weight
    return sorted(scores, key=lambda i: (-scores[i], i))[:N_CANDIDATES]


def _has_numbers(quote: Sequence[str], passage: Sequence[str]) -> bool:
    numbers = {word for word in quote if any(c.isdigit() for c in word)}
    return numbers <= set(passage)
