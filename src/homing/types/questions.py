"""Questions and the passages that answer them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from homing.types.texts import Span, content_id


@dataclass(frozen=True, slots=True)
class Question:
    """What a writer hands over, before curation.

    Attributes:
        kind: How it was made, such as "heading", "cloze", "keyword"; reports compare kinds.
        writer: Which writer: "extractive", "openai:gpt-5-mini", "person".
        prompt: Name and version of the prompt, or "".
        masked: Spans of the passage's text that the question was made from; training hides them,
            so that words are not learned by copying. The corpus keeps the passage whole.
        masks_title: The question was made from the title; training leaves the title out.
    """

    text: str
    passage_id: str
    kind: str
    writer: str
    prompt: str = ""
    masked: tuple[Span, ...] = ()
    masks_title: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A question with the origin of its text; fields as in `Question`. `id` is `query_id(text)`."""

    id: str
    text: str
    kind: str = ""
    writer: str = ""
    prompt: str = ""
    masked: tuple[Span, ...] = ()
    masks_title: bool = False


def query_id(text: str) -> str:
    """Return the id of a question: equal for texts that differ in case and spacing alone."""
    return content_id("query", " ".join(text.casefold().split()))


@dataclass(frozen=True, slots=True)
class Qrel:
    """A relevance judgement; `grade` >= 1 is relevant."""

    query_id: str
    passage_id: str
    grade: int = 1


@dataclass(frozen=True, slots=True)
class Audit:
    """What two splits have in common; a sound dataset has zero everywhere.

    Attributes:
        shared: (split a, split b) -> {"passages": 0, "near_duplicates": 0, "questions": 0}.
    """

    shared: Mapping[tuple[str, str], Mapping[str, int]]

    @property
    def clean(self) -> bool:
        """True when nothing is shared."""
        return all(n == 0 for counts in self.shared.values() for n in counts.values())
