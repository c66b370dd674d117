"""How rare each word is in the corpus: what can be asked for, and what is only grammar."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress

from homing.writing.sentences import words

# Function words of English; for other languages, and for words that a corpus uses everywhere
# ("company" in an annual report), the share of passages decides.
FUNCTION_WORDS = frozenset(
    "a about above after again all also although am an and any are as at be because been before "
    "being below between both but by can cannot could did do does doing down during each either "
    "else etc few for from further had has have having he her here hers him his how however i if "
    "in into is it its itself just may me might more most must my no nor not of off on once one "
    "only or other our ours out over own per same shall she should since so some such than that "
    "the their them then there therefore these they this those though through thus to too two "
    "under until up upon us very was we were what when where whether which while who whom whose "
    "why will with within without would yet you your yours".split()
)
COMMON_FRACTION = 0.3
ENOUGH_PASSAGES = 20


class Vocabulary:
    """Document frequencies of the words of a corpus.

    Whether a word carries content depends on the counts of words in more than `COMMON_FRACTION` of
    the passages, which are some hundreds in a corpus of any size; those of rarer words matter to
    keywords alone, and there those of words of one passage do not (in a corpus that is not small).

    Args:
        n_passages: How many passages were counted.
        counts: Word (lower case) -> number of passages with it; words that are left out are in
            none.
    """

    def __init__(self, n_passages: int, counts: Mapping[str, int]) -> None:
        self.n_passages = n_passages
        self.counts: Counter[str] = Counter(counts)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        """Return the vocabulary of some texts, one a passage."""
        counted = cls(0, {})
        for text in texts:
            counted.add(text)
        return counted

    def add(self, text: str) -> None:
        """Count one more passage."""
        self.n_passages += 1
        # A text that cannot be taken apart is rejected when questions are made of it.
        with suppress(Exception):
            self.counts.update(set(words(text)))

    def common(self) -> list[str]:
        """Return the words in more than `COMMON_FRACTION` of the passages, by name.

        A word that is common in a whole corpus is common in one of its parts at least.
        """
        most = COMMON_FRACTION * self.n_passages
        return sorted(word for word, n in self.counts.items() if n > most)

    def rarity(self, word: str) -> float:
        """Return the inverse document frequency, > 0; the rarer the greater."""
        return math.log(1 + self.n_passages / (1 + self.counts[word]))

    @property
    def is_small(self) -> bool:
        """True where too few passages were counted to tell common words from rare ones."""
        return self.n_passages < ENOUGH_PASSAGES

    def carries_content(self, word: str) -> bool:
        """Tell whether a word (lower case) says something: no grammar, not in every passage."""
        if word in FUNCTION_WORDS or word.isdigit() or (len(word) < 2 and word.isascii()):
            return False
        return self.is_small or self.counts[word] <= COMMON_FRACTION * self.n_passages
