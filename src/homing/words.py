"""Words of a text, casefolded and without punctuation, and those of them that carry the meaning."""

from __future__ import annotations

import re

# Scripts that are written without spaces count character by character: Thai to Khmer, kana,
# Han, Hangul.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD = re.compile(f"[{UNSPACED}]|[^\\W{UNSPACED}]+")

STOP_WORDS = frozenset(
    "a about after all also am an and any are as at be because been before being between both but "
    "by can could did do does doing during each few for from further had has have having he "
    "her here hers him his how i if in into is it its itself just me might more most must my no "
    "nor not of off on only or other our ours out over please s same shall she should "
    "so some such t than that the their theirs them then there these they this those through "
    "to too under until up very was we were what when where which while who whom whose "
    "why will with would you your yours".split()
)
"""English function words."""


def words_of(text: str) -> list[str]:
    """Return the words of a text, casefolded; of unspaced scripts, the characters."""
    return WORD.findall(text.casefold())


def content_words(text: str) -> set[str]:
    """Return the words that carry the meaning: all but English function words."""
    return set(words_of(text)) - STOP_WORDS


def question_key(text: str) -> str:
    """Return what two questions share that differ in case, spacing and punctuation alone."""
    words = words_of(text)
    return " ".join(words) if words else " ".join(text.split())
