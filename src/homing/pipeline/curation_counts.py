"""What curation came to, however it was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from homing.errors import NothingToDoError
from homing.types import Audit

REMEDIES = {
    "train": "Add documents, let the writer write (write.writer: extractive), or give "
    "questions with --train-questions.",
    "test": "Give questions with --test-questions, or raise curate.test_fraction.",
}


class CurationCounts(NamedTuple):
    """Counts of a dataset that is written.

    Attributes:
        n_groups: Of near duplicates; a passage that is alone is one.
        n_queries: Split -> how many questions have an answer in it.
        audit: The proof that its splits share nothing.
        funnel: See `funnel_of`.
    """

    n_passages: int
    n_groups: int
    n_queries: Mapping[str, int]
    n_rejected: int
    audit: Audit
    funnel: Mapping[str, Any]


def refuse_empty(n_questions: int, split: str) -> None:
    """Raise `NothingToDoError` with the remedy if a split that is needed has no question."""
    if not n_questions:
        raise NothingToDoError(f"No question is left for the split {split!r}. {REMEDIES[split]}")
