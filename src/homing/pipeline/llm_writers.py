"""A language model as a writer, as the settings of a job want it; the same in every process."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from homing.pipeline.language_models import LanguageModel
from homing.settings import WriteSettings

if TYPE_CHECKING:
    from homing.writing.llm import Ask, LLMWriter
    from homing.writing.prompts import Prompt

QUESTIONS_PER_PASSAGE = 2


def make_writer(
    settings: WriteSettings,
    model: LanguageModel,
    *,
    prompt: Prompt,
    examples: Sequence[str],
    languages: Mapping[str, str],
    asked: Collection[str] | None,
    again: bool,
    ask: Ask,
    budget_usd: float | None = None,
) -> LLMWriter:
    """Return the writer; see `LLMWriter`."""
    from homing.writing.llm import LLMWriter

    return LLMWriter(
        model.provider,
        model.ledger,
        prompt=prompt,
        questions_per_passage=settings.questions_per_passage or QUESTIONS_PER_PASSAGE,
        seed=settings.seed,
        examples=examples,
        neighbours=settings.neighbours,
        languages=languages,
        asked=asked,
        limits=model.limits,
        per_million=model.per_million,
        budget_usd=budget_usd,
        again=again,
        ask=ask,
    )
