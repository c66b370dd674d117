"""A workspace on the made-up handbook in which somebody has written questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handbook_sentences import HANDBOOK
from homing.dataset import save_documents, save_passages, save_questions
from homing.pipeline import open_job
from homing.pipeline.curation import curate_stage
from homing.pipeline.job import DOCUMENTS, PASSAGES, QUESTIONS
from homing.types import Document, Passage, Question
from homing.workspace import Workspace

POOR = {
    "about_the_context": ("leave", "According to the passage, how long is parental leave?"),
    "too_short": ("badge", "Badge?"),
    "duplicate_question": ("travel", "The handbook on TRAVEL!"),
}
"""Reason -> topic and question that the filters reject for it."""


def handbook_questions() -> list[Question]:
    """Return twelve headings, six instructions, two keyword questions and three poor ones."""
    topics = list(HANDBOOK)
    headings = [Question(f"the handbook on {t}", t, "heading", "extractive") for t in topics]
    how_tos = [
        Question(f"how do I deal with my {t} properly?", t, "how_to", "extractive")
        for t in topics[:6]
    ]
    keywords = [Question(f"{t} colleague rules", t, "keywords", "extractive") for t in topics[6:8]]
    poor = [Question(text, topic, "poor", "extractive") for topic, text in POOR.values()]
    return [*headings, *how_tos, *keywords, *poor]


def write_workspace(folder: Path, questions: Sequence[Question] | None = None) -> Path:
    """Return a workspace as `homing write` leaves it."""
    documents = [Document(t, f"{t}.md", t.capitalize(), text) for t, text in HANDBOOK.items()]
    passages = [
        Passage(d.id, d.id, 0, len(d.text), d.text, ("Handbook", d.title), page=page)
        for page, d in enumerate(documents, start=1)
    ]
    with Workspace(folder) as workspace:
        save_documents(documents, workspace.path(DOCUMENTS))
        save_passages(passages, workspace.path(PASSAGES))
        written = handbook_questions() if questions is None else questions
        save_questions(written, workspace.path(QUESTIONS))
    return folder


def curate_workspace(folder: Path, **settings: object) -> Path:
    """Return the workspace after `homing curate`."""
    with open_job(folder, create=False, overrides=settings) as job:
        curate_stage(job)
    return folder
