"""Whether a question is in another language than its passage: said only where there is no doubt.

Scripts tell Chinese from English; among languages in Latin letters the little words do, and the
words that questions are asked with. Words that stand in the passage say nothing, since they may be
quoted. Cost: linear in the questions; a passage is read for a suspect question alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from homing.language import OWNERS, guess_language
from homing.words import words_of

OTHER_SCRIPTS = frozenset({"zh", "ja", "ko", "ru"})
OTHER_LETTERS = re.compile("[\u0400-\u04ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
MIN_WORDS_OF_SCRIPT = 4
MIN_VOTES = 2
CLEAR = 2
"""The winner has so many times the little words of the next."""
ASKING_WORDS = {
    "en": "what which who whose when where why how many much did does do were has have can",
    "de": "was welche welcher welches welchen welchem wer wen wem wann wo wohin woher warum "
    "weshalb wie viele viel wurde wurden hat haben war waren",
    "fr": "quel quelle quels quelles quand pourquoi comment combien où quoi",
    "es": "qué cuál cuáles cuándo dónde cómo quién quiénes cuánto cuántos cuántas",
    "it": "quale quali quando dove perché come chi quanto quanti quante cosa",
    "pt": "qual quais quando onde como quem quanto quantos quantas porquê",
    "nl": "welke welk wie wanneer waar waarom hoe hoeveel wat",
}
VOTERS: dict[str, set[str]] = {word: set(languages) for word, languages in OWNERS.items()}
for _language, _words in ASKING_WORDS.items():
    for _word in _words.split():
        VOTERS.setdefault(_word, set()).add(_language)


def other_language(question: str, passage: str, passage_language: str) -> str:
    """Return the language of a question that is surely not its passage's, else "".

    "other" where only the script is known: a question in Latin letters about a Chinese passage.
    Keyword queries are mostly too short to be sure of, and are then left alone.

    Args:
        passage: Title and text.
        passage_language: Two-letter code from `guess_language`; "" says nothing.
    """
    if not passage_language:
        return ""
    asked_in = guess_language(question)
    if asked_in in OTHER_SCRIPTS or passage_language in OTHER_SCRIPTS:
        return _other_script(question, passage, asked_in, passage_language)
    votes = _votes(words_of(question))
    suspect = _clear_winner(votes)
    if suspect in ("", passage_language) or votes[suspect] <= votes[passage_language]:
        return ""
    passage_words = words_of(passage)
    known = set(passage_words)
    own = _clear_winner(_votes(word for word in words_of(question) if word not in known))
    of_passage = _votes(passage_words)
    is_clear = of_passage[passage_language] >= CLEAR * of_passage[own]
    return own if own == suspect and is_clear else ""


def _other_script(question: str, passage: str, asked_in: str, passage_language: str) -> str:
    """Return the language of a question whose script, or its passage's, is not Latin."""
    # Japanese that is written without kana, as titles are, passes for Chinese.
    if asked_in == passage_language or (asked_in, passage_language) == ("zh", "ja"):
        return ""
    if asked_in not in OTHER_SCRIPTS and OTHER_LETTERS.search(question):
        return ""
    words = words_of(question)
    known = set(words_of(passage))
    n_new = sum(word not in known for word in words)
    # Names and terms keep their letters in any language; a question is more than those.
    if len(words) < MIN_WORDS_OF_SCRIPT or 2 * n_new <= len(words):
        return ""
    return asked_in or "other"


def _votes(words: Iterable[str]) -> Counter[str]:
    """Return how many of the words each language owns; some are owned by several."""
    return Counter(language for word in words for language in VOTERS.get(word, ()))


def _clear_winner(votes: Counter[str]) -> str:
    """Return the language with enough votes, and `CLEAR` times those of the next, or ""."""
    ranked = votes.most_common(2)
    if not ranked or ranked[0][1] < MIN_VOTES:
        return ""
    (best, n_best), *others = ranked
    return best if all(n_best >= CLEAR * n for _, n in others) else ""
