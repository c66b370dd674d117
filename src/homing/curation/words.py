"""Words, as curation compares them: casefolded, without punctuation."""

from __future__ import annotations

from homing.words import UNSPACED, content_words, words_of

__all__ = ["UNSPACED", "content_words", "question_key", "words_of"]


def question_key(text: str) -> str:
    """Return what two questions share that differ in case, spacing and punctuation alone."""
    words = words_of(text)
    return " ".join(words) if words else " ".join(text.split())
