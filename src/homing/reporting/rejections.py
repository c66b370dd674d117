"""Rejections by reason: how many, and one to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homing.types import Rejection

MAX_TEXT_LENGTH = 400


@dataclass(frozen=True, slots=True)
class RejectionGroup:
    """What one stage dropped for one reason.

    Attributes:
        reason: In words: "no_text_layer" -> "No text layer".
        example: The first of them; its text is cut at `MAX_TEXT_LENGTH` characters.
    """

    stage: str
    reason: str
    code: str
    n: int
    example: Rejection
    text: str


def group_rejections(rejections: Sequence[Rejection]) -> list[RejectionGroup]:
    """Return the rejections by stage and reason, the most numerous first."""
    members: dict[tuple[str, str], list[Rejection]] = {}
    for rejection in rejections:
        members.setdefault((rejection.stage, rejection.reason), []).append(rejection)
    groups = [
        RejectionGroup(
            stage=stage,
            reason=in_words(reason),
            code=reason,
            n=len(found),
            example=_example(found),
            text=cut(_example(found).text, MAX_TEXT_LENGTH),
        )
        for (stage, reason), found in members.items()
    ]
    return sorted(groups, key=lambda group: (-group.n, group.stage, group.code))


def in_words(code: str) -> str:
    """Return a snake_case code as words, "no_text_layer" -> "No text layer"."""
    return code.replace("_", " ").capitalize()


def cut(text: str, length: int) -> str:
    """Return a text as one line of at most `length` characters; " …" follows where more was."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    return text[:length].rsplit(None, 1)[0] + " …"


def _example(found: Sequence[Rejection]) -> Rejection:
    """Return the first that has a text to show, else the first."""
    return next((rejection for rejection in found if rejection.text.strip()), found[0])
