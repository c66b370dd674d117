"""Words that are not worth marking in a passage: those that say nothing of a question.

English function words are listed; for every other language, and for what a collection always talks
of, the words are counted that many questions or many passages hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from homing.words import STOP_WORDS, words_of

QUESTION_SHARE = 0.08
PASSAGE_SHARE = 0.2
FEW = 3
MAX_SAMPLE = 2000
MAX_WORDS = 300


def common_words(questions: Sequence[str], passages: Sequence[str]) -> list[str]:
    """Return function words, and those in over 8 % of the questions or 20 % of the passages.

    Casefolded and sorted; counted in the first 2,000 of each, at most 300 from each.
    """
    frequent = _frequent(questions, QUESTION_SHARE) | _frequent(passages, PASSAGE_SHARE)
    return sorted(frequent | STOP_WORDS)


def _frequent(texts: Sequence[str], share: float) -> set[str]:
    sample = texts[:MAX_SAMPLE]
    counts = Counter(word for text in sample for word in set(words_of(text)))
    limit = max(FEW, share * len(sample))
    return {word for word, n in counts.most_common(MAX_WORDS) if n >= limit}
