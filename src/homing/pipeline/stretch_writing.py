"""What a worker does with a stretch of passages: it asks a language model and saves the answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from homing.dataset import save_questions, save_rejections
from homing.errors import HomingError
from homing.llm.journal import Journal, read_journals
from homing.llm.ledger_sharing import CallRow, WorkerLedger
from homing.llm.switchboard import Door, Trait
from homing.llm.together import ask_with_others, count_spent
from homing.pipeline.language_models import Price, model_with
from homing.pipeline.llm_writers import make_writer
from homing.pipeline.stretches import Stretch, languages_of
from homing.settings import WriteSettings
from homing.storage import join
from homing.types import Passage, Question, Rejection
from homing.writing.llm import LLMWriter
from homing.writing.prompts import Prompt


@dataclass
class StretchWriter:
    """Writes about stretches, in a worker; everything that the job decides comes with it.

    Attributes:
        door: Of the driver's switchboard.
        prompt: As the driver read it; a worker's machine may not have its file.
        documents: The place of the table of documents.
        journals: The folder of the workers' journals.
        parts: The folder of what they make.
        chosen: Ids of the passages to ask about; None for all.
        again: Whether what was given up as unusable is asked once more.
    """

    door: Door
    settings: WriteSettings
    per_million: Price | None
    prompt: Prompt
    examples: tuple[str, ...]
    documents: str
    journals: str
    parts: str
    chosen: frozenset[str] | None = None
    again: bool = False

    def __post_init__(self) -> None:
        self._traits: tuple[Trait, ...] = self.door.traits

    def write(self, stretch: Stretch) -> dict[str, Any]:
        """Return the folder of the stretch's questions and rejections, and the writer's counts.

        What a person has to know of is the one entry `error`.
        """
        folder = join(self.parts, f"{stretch.number:06d}-{uuid.uuid4().hex[:12]}")
        try:
            with self._writer(stretch) as (writer, passages):
                rejections: list[Rejection] = []
                questions = _questions(writer, passages, rejections)
                n_questions = save_questions(questions, join(folder, "questions.parquet"))
                n_rejected = save_rejections(rejections, join(folder, "rejections.parquet"))
        except HomingError as error:
            return {"error": error}
        counts = {"n_questions": n_questions, "n_rejected": n_rejected}
        return {**writer.summary, **counts, "folder": folder}

    def count_spent(self, stretch: Stretch) -> dict[str, Any]:
        """Let the switchboard know what the stretch's requests have cost so far."""
        try:
            with self._writer(stretch) as (writer, passages):
                count_spent((r.wanted.key for r in writer.requests(passages)), self.door)
        except HomingError as error:
            return {"error": error}
        return {}

    @contextmanager
    def _writer(self, stretch: Stretch) -> Iterator[tuple[LLMWriter, list[Passage]]]:
        """Give the writer of a stretch, and its passages with those beside them."""
        passages, own = stretch.read()
        settings, name = self.settings, f"{stretch.number:06d}-"
        left_behind = [CallRow(*row) for row in read_journals(self.journals, name)]
        with (
            Journal(self.journals, f"{name}{uuid.uuid4().hex[:12]}") as journal,
            WorkerLedger(journal, self._traits) as ledger,
            model_with(
                ledger, settings, settings.writer, settings.base_url, self.per_million
            ) as model,
        ):
            writer = make_writer(
                settings,
                model,
                prompt=self.prompt,
                examples=self.examples,
                languages=languages_of(self.documents, {p.document_id for p in passages}),
                asked=own if self.chosen is None else self.chosen.intersection(own),
                again=self.again,
                ask=partial(ask_with_others, door=self.door, left_behind=left_behind),
            )
            yield writer, passages
            self._traits = tuple(ledger.traits())


def _questions(
    writer: LLMWriter, passages: list[Passage], rejections: list[Rejection]
) -> Iterator[Question]:
    """Yield the questions; rejections are added to the list."""
    for item in writer.write(passages):
        if isinstance(item, Question):
            yield item
        else:
            rejections.append(item)
