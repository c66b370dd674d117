"""What a writer is: passages in, questions out, in the order of the passages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from homing.types import Passage, Question, Rejection


class Writer(Protocol):
    """Writes questions that each passage answers.

    `name` goes into `Question.writer`. The same passages, settings and seed give the same
    questions. A passage of which nothing can be asked gives a `Rejection`, never silence.
    """

    name: str

    def write(self, passages: Sequence[Passage]) -> Iterator[Question | Rejection]:
        """Yield questions and rejections, in the order of the passages."""
        ...
