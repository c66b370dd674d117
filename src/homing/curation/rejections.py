"""How curation writes down a question that it drops."""

from __future__ import annotations

from homing.types import Question, Rejection, query_id

MAX_CHARACTERS = 2000


def reject(question: Question, reason: str, detail: str) -> Rejection:
    """Return the rejection of a question; its text is cut at `MAX_CHARACTERS`."""
    text = question.text[:MAX_CHARACTERS]
    return Rejection(query_id(question.text), "curate", reason, detail, text)
