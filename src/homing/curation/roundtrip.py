"""Whether a question leads back to its own passage, and what else it leads to.

A question that neither words nor meaning lead home is mostly about something else, or about nothing
(Promptagator's round trip). Every question is searched for once, over the whole corpus: by BM25 and
by BM25 fused with an encoder (the mean of z-scores), or by BM25 alone where there is none. The
round trip, the label "too easy" and further answers all read what that one search found.

Cost: one vector a passage and a question; then O(questions x passages) for the scores, in blocks of
some 32 MB whatever the size. Over 100,000 passages a question takes 2.4 ms on two cores (8 minutes
for 200,000), and the index, the blocks and the texts 1 GB, besides 1.5 kB a vector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homing.curation.rejections import reject
from homing.progress import track
from homing.types import (
    Encoder,
    FloatArray,
    Passage,
    Question,
    Rejection,
    passage_input,
    query_id,
)

if TYPE_CHECKING:
    from homing.types import IntArray

K = 20
N_ABOVE = 10
DEPTH = 100
"""How far down the ranking passages of different groups are looked for."""
BLOCK_SHARE = 8
"""Of a search's usual block of scores: several blocks are at work at once."""

Key = tuple[str, str]
"""Query id and passage id: a question, as far as a search can tell."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a search found a question's own passage, or one of its duplicate group.

    Attributes:
        bm25_rank: By BM25 alone, from 1; 0 where they share no word.
        rank: By the fused search, from 1; the same as `bm25_rank` without an encoder.
        above: Passages that the fused search ranked above it, best first, at most `N_ABOVE`; of a
            duplicate group only the first.
    """

    bm25_rank: int
    rank: int
    above: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Easy:
    """Questions that BM25 alone answers first: kept, but they teach and test little.

    Attributes:
        query_ids: Of all of them.
        counts: (writer, kind) -> how many are, and of how many.
    """

    query_ids: frozenset[str]
    counts: Mapping[tuple[str, str], tuple[int, int]]


def key_of(question: Question) -> Key:
    """Return what a question is found under."""
    return query_id(question.text), question.passage_id


def find_passages(
    questions: Sequence[Question],
    passages: Sequence[Passage],
    groups: Mapping[str, str],
    *,
    encoder: Encoder | None = None,
    language: str = "",
) -> dict[Key, Found]:
    """Return for each question where its passage was found.

    Args:
        passages: The whole corpus, with the passages that were asked about.
        groups: Passage id -> group id; a passage that is not in it is its own group.
        encoder: The base model; None searches by BM25 alone.
        language: Of the corpus, for BM25; "" guesses.

    Raises:
        ValueError: If a question's passage is not in the corpus.
    """
    asked = {key_of(question): question.text for question in questions}
    known = {passage.id for passage in passages}
    if lost := [passage_id for _, passage_id in asked if passage_id not in known]:
        raise ValueError(f"{len(lost)} questions ask about no passage given, such as {lost[0]!r}.")
    corpus = _Corpus(passages, groups)
    found: dict[Key, Found] = {}
    keys = list(asked)
    with track("Searching for every question", len(asked)) as progress:
        for by_words, fused in _scores(list(asked.values()), passages, encoder, language):
            for row, key in enumerate(keys[len(found) : len(found) + len(fused)]):
                found[key] = corpus.find(key[1], by_words[row], fused[row], encoder is None)
            progress.advance(len(fused))
    return found


def keep_found_again(
    questions: Sequence[Question], found: Mapping[Key, Found], *, k: int = K
) -> tuple[list[Question], list[Rejection]]:
    """Return the questions whose passage was found among the first `k`, and the others rejected.

    The reason is "not_found_again". A passage that shares no word with its question counts as not
    found where there was no encoder.

    Args:
        found: From `find_passages`, of at least these questions.
    """
    kept: list[Question] = []
    rejections = []
    for question in questions:
        rank = found[key_of(question)].rank
        if 1 <= rank <= k:
            kept.append(question)
            continue
        where = f"only at rank {rank:,}, not among the first {k:,}" if rank else "by none of them"
        rejections.append(
            reject(question, "not_found_again", f"A search for it finds its passage {where}.")
        )
    return kept, rejections


def too_easy(questions: Sequence[Question], found: Mapping[Key, Found]) -> Easy:
    """Return the questions for which BM25 alone puts their passage first, to be labelled as such.

    Args:
        found: From `find_passages`, of at least these questions.
    """
    every: Counter[tuple[str, str]] = Counter()
    easy: Counter[tuple[str, str]] = Counter()
    query_ids = set()
    for question in questions:
        key = key_of(question)
        every[question.writer, question.kind] += 1
        if found[key].bm25_rank == 1:
            easy[question.writer, question.kind] += 1
            query_ids.add(key[0])
    counts = {kind: (easy[kind], n) for kind, n in every.items()}
    return Easy(frozenset(query_ids), counts)


class _Corpus:
    """The passages by position, with their duplicate groups."""

    def __init__(self, passages: Sequence[Passage], groups: Mapping[str, str]) -> None:
        self.ids = [passage.id for passage in passages]
        self.groups = [groups.get(passage_id, passage_id) for passage_id in self.ids]
        self.group_of = dict(zip(self.ids, self.groups, strict=True))
        self.members: dict[str, list[int]] = {}
        for position, group in enumerate(self.groups):
            self.members.setdefault(group, []).append(position)

    def find(
        self, passage_id: str, by_words: FloatArray, fused: FloatArray, words_alone: bool
    ) -> Found:
        """Return where one question's passage, or its like, stands by the scores of that question.

        Args:
            by_words: BM25 scores, float32 (n_passages,).
            fused: The same shape.
        """
        own = self.members[self.group_of[passage_id]]
        # Passages without any of the words score 0 and are ranked by their order alone.
        shares_words = bool(by_words[own].max() > 0)
        bm25_rank = len(_better(by_words, own)) + 1 if shares_words else 0
        if words_alone and not shares_words:
            return Found(0, 0)
        better = _better(fused, own)
        return Found(bm25_rank, len(better) + 1, tuple(self._first_of_groups(better, fused)))

    def _first_of_groups(self, better: IntArray, scores: FloatArray) -> list[str]:
        """Return the best passage of each of the best groups, at most `N_ABOVE`."""
        from homing.retrieval.search import top_k

        if not len(better):
            return []
        ranking, _ = top_k(scores[better][None, :], min(len(better), DEPTH))
        first: dict[str, str] = {}
        for position in better[ranking[0]].tolist():
            first.setdefault(self.groups[position], self.ids[position])
        return list(first.values())[:N_ABOVE]


def _better(scores: FloatArray, own: Sequence[int]) -> IntArray:
    """Return the positions that rank above the best of `own`, in corpus order.

    As everywhere, the earlier of two with equal scores ranks higher.
    """
    import numpy as np

    best = min(own, key=lambda position: (-scores[position], position))
    is_better = scores > scores[best]
    is_better[:best] |= scores[:best] == scores[best]
    return np.flatnonzero(is_better)


def _scores(
    texts: Sequence[str], passages: Sequence[Passage], encoder: Encoder | None, language: str
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield blocks of BM25 scores and of fused scores, each float32 (n_questions, n_passages)."""
    import numpy as np

    from homing.retrieval.bm25 import BM25Retriever
    from homing.retrieval.fusion import z_scores
    from homing.retrieval.search import queries_in_block

    corpus = [passage_input(p.title, p.text) for p in passages]
    words = BM25Retriever(corpus, language)
    vectors = encoder.encode_passages(corpus) if encoder else None
    asked = encoder.encode_queries(texts) if encoder else None
    n_block = max(1, queries_in_block(len(corpus)) // BLOCK_SHARE)
    for start in range(0, len(texts), n_block):
        rows = slice(start, start + n_block)
        by_words = words.scores(texts[rows])
        if vectors is None or asked is None:
            yield by_words, by_words
        else:
            cosines = asked[rows] @ vectors.T
            yield by_words, np.float32(0.5) * (z_scores(by_words) + z_scores(cosines))
