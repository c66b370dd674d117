"""Words, as curation compares them: casefolded, without punctuation."""

from __future__ import annotations

import re

# Scripts that are written without spaces count character by character: Thai to Khmer, kana,
# Han, Hangul.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD = re.compile(f"[{UNSPACED}]|[^\\W{UNSPACED}]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text, casefolded; of unspaced scripts, the characters."""
    return WORD.findall(text.casefold())


def question_key(text: str) -> str:
    """Return what two questions share that differ in case, spacing and punctuation alone."""
    words = words_of(text)
    return " ".join(words) if words else " ".join(text.split())
