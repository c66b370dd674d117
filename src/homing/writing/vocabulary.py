"""How rare each word is in the corpus: what can be asked for, and what is only grammar."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

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


class Vocabulary:
    """Document frequencies of the words of a corpus.

    Args:
        texts: One text a passage.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.n_passages = 0
        self.counts: Counter[str] = Counter()
        for text in texts:
            self.n_passages += 1
            self.counts.update(set(words(text)))

    def rarity(self, word: str) -> float:
        """Return the inverse document frequency, > 0; the rarer the greater."""
        return math.log(1 + self.n_passages / (1 + self.counts[word]))

    @property
    def is_small(self) -> bool:
        """True where too few passages were counted to tell common words from rare ones."""
        return self.n_passages < 20

    def carries_content(self, word: str) -> bool:
        """Tell whether a word (lower case) says something: no grammar, not in every passage."""
        if word in FUNCTION_WORDS or word.isdigit() or (len(word) < 2 and word.isascii()):
            return False
        return self.is_small or self.counts[word] <= COMMON_FRACTION * self.n_passages
