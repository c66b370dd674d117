"""Files of questions that people asked, and the passages that answer them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from homing.curation.building import Asked
from homing.curation.questions import match_questions, read_questions
from homing.errors import NothingToDoError
from homing.pipeline.job import plural
from homing.settings import Settings
from homing.types import Document, Passage, Rejection
from homing.workspace import hash_file


def hash_given(settings: Settings) -> dict[str, str]:
    """Return name -> SHA-256 of the files of given questions, each read once to see that it can be.

    Raises:
        UsageError: One cannot be read.
    """
    given = {"test questions": settings.test_questions, "train questions": settings.train_questions}
    paths = {name: Path(path) for name, path in given.items() if path}
    for path in paths.values():
        read_questions(path)
    return {name: hash_file(path) for name, path in paths.items()}


def match_given(
    path: str | Path | None, documents: Sequence[Document], passages: Sequence[Passage]
) -> tuple[Asked | None, list[Rejection]]:
    """Return the questions of a file with the passages that answer them, and those without.

    Raises:
        NothingToDoError: None of them matches.
    """
    if path is None:
        return None, []
    asked = read_questions(Path(path))
    queries, qrels, rejections = match_questions(asked, documents, passages)
    if not queries:
        reasons = " ".join(rejection.detail for rejection in rejections[:2])
        raise NothingToDoError(
            f"None of the {plural(len(asked), 'question')} in {path} matches a passage. {reasons}"
        )
    return (queries, qrels), rejections
