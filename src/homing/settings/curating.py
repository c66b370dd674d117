"""Settings of curation: filters, judge, splits."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from homing.settings.section import Section, without_secrets
from homing.settings.writing import LANGUAGE_MODEL

OF_THE_JUDGE = ("judge", "judge_base_url", "judge_threshold", "several_answers", "judge_budget")


class CurateSettings(Section):
    """Dropping poor questions and splitting what is left."""

    dev_fraction: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the passages whose questions choose the checkpoint.",
    )
    test_fraction: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share whose questions are kept for the final test; not used when test "
        "questions are given.",
    )
    round_trip: int | None = Field(
        None,
        ge=0,
        description="Keep a question only if the base model fused with BM25 finds its passage "
        "among the first N; 0 keeps all. null takes 20 for a language model's questions and 0 "
        "for the offline writer's.",
    )
    copied: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Drop a language model's question if more than this share of its words "
        "stands in a row in its passage; 1 keeps all.",
    )
    near_duplicate: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Drop a language model's question if it is this like another one (cosine); "
        "1 keeps all.",
    )
    judge: str | None = Field(
        None,
        description="A language model that scores each question of a language model from 1 to 10, "
        'such as "openai:gpt-5-mini", best another one than wrote; null for none. Ledger, calls at '
        "once, tries and time limit are those of writing.",
    )
    judge_base_url: str | None = Field(
        None,
        description="Where the judge answers; null takes write.base_url if the writer is of the "
        "same kind, else OPENAI_BASE_URL or the maker's own.",
    )
    judge_threshold: int = Field(
        7, ge=1, le=10, description="Drop a question that the judge gives fewer points than this."
    )
    several_answers: int = Field(
        3,
        ge=0,
        le=10,
        description="Ask the judge about at most so many passages that a search for a question "
        "ranks above its own: those that answer it, too, count as right. 0 asks about none.",
    )
    judge_budget: float | None = Field(
        None,
        gt=0,
        description="Most dollars that judging may cost, earlier runs included; what is left is "
        "kept unjudged. null takes as many again as write.budget.",
    )
    seed: int = Field(0, ge=0, description="Decides which passages fall into which split.")

    @field_validator("judge")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and not LANGUAGE_MODEL.match(value):
            raise ValueError("it must be a language model such as 'openai:gpt-5-mini', or null")
        return value

    @field_validator("judge_base_url")
    @classmethod
    def _without_secrets(cls, value: str | None) -> str | None:
        return without_secrets(value)

    def affecting_result(self) -> dict[str, Any]:
        """Return what decides the dataset; without a judge nothing of what it is told."""
        values = super().affecting_result()
        if self.judge is not None:
            return values
        return {name: value for name, value in values.items() if name not in OF_THE_JUDGE}
