"""Settings of writing questions."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from homing.settings.section import NO_EFFECT, Section, without_secrets

OFFLINE_WRITER, NO_WRITER = "extractive", "none"
LANGUAGE_MODEL = re.compile(r"(openai|anthropic|local):\S")


class WriteSettings(Section):
    """Writing questions about the passages."""

    writer: str = Field(
        OFFLINE_WRITER,
        description='Who writes: "extractive" (offline, no model), a language model such as '
        '"openai:gpt-5-mini", "anthropic:claude-haiku-4-5" or "local:Qwen/Qwen2.5-0.5B-Instruct", '
        'or "none" to use only the questions that are given.',
    )
    base_url: str | None = Field(
        None,
        description="Where an OpenAI-compatible server answers, such as "
        "http://localhost:11434/v1; null takes OPENAI_BASE_URL, or the maker's own.",
    )
    questions_per_passage: int | None = Field(
        None,
        ge=1,
        le=20,
        description="At most this many questions for each passage; null takes 4 of the offline "
        "writer and 2 of a language model.",
    )
    max_passages: int | None = Field(
        None,
        ge=1,
        description="Ask a language model about at most this many passages, those first that "
        "differ most; a later run with more adds to them.",
    )
    prompt: str = Field(
        "mixed",
        min_length=1,
        description='How a language model is asked: "mixed", "quiz", or a Jinja file of your own.',
    )
    examples: str | None = Field(
        None, description="A text file of real questions, one a line, as an example of style."
    )
    neighbours: bool = Field(
        True, description="Show a language model what stands before and after each passage."
    )
    budget: float | None = Field(
        None,
        gt=0,
        description="Most dollars that writing may cost, earlier runs included; it stops before.",
    )
    price: tuple[float, float] | None = Field(
        None,
        description="Dollars for a million tokens in and out, such as [0.25, 2.0]; null takes "
        "what is known of the model. Also the judge's, where the price of that is not known.",
    )
    batch: bool = Field(
        False,
        description="Ask through the provider's batch service: half the price, up to a day.",
        json_schema_extra=NO_EFFECT,
    )
    ledger: str | None = Field(
        None,
        description="The file that keeps every paid call; null takes ledger.sqlite in the "
        "workspace. Workspaces may share one.",
        json_schema_extra=NO_EFFECT,
    )
    max_concurrency: int = Field(
        64, ge=1, description="Most calls at once.", json_schema_extra=NO_EFFECT
    )
    max_tries: int = Field(
        6,
        ge=1,
        description="Tries before a call is given up for this run.",
        json_schema_extra=NO_EFFECT,
    )
    timeout_s: float = Field(
        120.0, gt=0, description="Seconds that one call may take.", json_schema_extra=NO_EFFECT
    )
    seed: int = Field(0, ge=0, description="Decides every random choice of the writer.")

    @field_validator("writer")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in (OFFLINE_WRITER, NO_WRITER) and not LANGUAGE_MODEL.match(value):
            raise ValueError(
                "it must be 'extractive', 'none', or a language model such as 'openai:gpt-5-mini'"
            )
        return value

    @field_validator("base_url")
    @classmethod
    def _without_secrets(cls, value: str | None) -> str | None:
        return without_secrets(value)

    @property
    def is_language_model(self) -> bool:
        """Whether a language model writes."""
        return self.writer not in (OFFLINE_WRITER, NO_WRITER)

    def affecting_result(self) -> dict[str, Any]:
        """Return what decides the questions; the offline writer knows nothing of models."""
        values = super().affecting_result()
        if self.is_language_model:
            return values
        return {name: values[name] for name in ("writer", "questions_per_passage", "seed")}
