"""The settings themselves: to add one, add a field with its description.

The starter file, its comments, the error messages and what a stage depends on follow from it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from homing.settings.curating import CurateSettings
from homing.settings.engine import EngineSettings
from homing.settings.section import NO_EFFECT, Section, without_secrets
from homing.settings.training import (
    AdapterSettings,
    FullSettings,
    LoraSettings,
    NegativesSettings,
    QuerySettings,
    RerankerSettings,
    StaticSettings,
)
from homing.settings.writing import LANGUAGE_MODEL, WriteSettings

DEFAULT_BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class IngestSettings(Section):
    """Reading files and cutting them into passages."""

    max_tokens: int = Field(
        256, ge=16, le=32768, description="Longest passage, in tokens of the base model."
    )
    time_limit_s: float = Field(
        120.0, gt=0, description="Seconds that one file may take before it is given up."
    )


RecipeSetting = Literal[
    "auto", "full", "lora", "query", "full-query", "adapter", "static", "reranker"
]


class TrainSettings(Section):
    """Tuning the base model."""

    base_model: str = Field(
        DEFAULT_BASE_MODEL,
        min_length=1,
        description="The model to start from: a hub id or a folder. Passages are counted in its "
        "tokens. The recipe adapter takes openai:MODEL as well, outside of a workspace.",
    )
    base_url: str | None = Field(
        None,
        description="Where openai:MODEL answers; null takes OPENAI_BASE_URL, or OpenAI's own.",
    )
    max_tokens: int | None = Field(
        None,
        ge=16,
        le=32768,
        description="Longest input, in tokens; null takes 512 for the default model and what any "
        "other was saved with.",
    )
    recipe: RecipeSetting | None = Field(
        None,
        description="The way to tune; null takes auto in a workspace and full elsewhere. auto "
        "(tries several, keeps the simplest that is about as good as the best), full (every "
        "weight), lora (small changes, merged when saved), query (the side of the questions alone; "
        "a stored index stays valid), full-query (one after the other), adapter (a map of question "
        "vectors, in seconds, for an API's model too; the index stays), static (token vectors "
        "distilled from base_model; a hundred times faster), reranker (a cross-encoder; not in a "
        "workspace).",
    )
    minutes: float = Field(
        10, gt=0, description="How long auto may try; what was begun by then is finished."
    )
    max_forgetting: float = Field(
        0.02,
        ge=0,
        le=1,
        description="What auto lets a model lose of nDCG@10 on general questions, of 1.",
    )
    epochs: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Passes over the training passages; null takes what suits the recipe.",
    )
    learning_rate: float | None = Field(
        None, gt=0, le=1, description="Peak learning rate; null takes what suits the recipe."
    )
    merge_weight: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Weight of what was learnt in the average with the base model; null takes 1 "
        "for questions of people and language models, 0.5 for those of the offline writer, and "
        "what lies between for both.",
    )
    max_offline_passages: int | None = Field(
        None,
        ge=2,
        description="At most this many of the passages that have questions of the offline writer "
        "alone; null takes 800 on a CPU and all on a GPU.",
    )
    batch_passages: int = Field(
        16, ge=2, description="Passages in a batch; each is a negative for the others' questions."
    )
    questions_per_passage: int = Field(
        2, ge=1, description="At most this many questions of one passage in one batch."
    )
    temperature: float = Field(
        0.05, gt=0, le=1, description="Softness of the contrast between passages."
    )
    whole_fraction: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the passages shown whole although a question was made of a part.",
    )
    warmup_fraction: float = Field(
        0.1, ge=0, le=1, description="Share of the steps over which the learning rate rises."
    )
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    evaluations: int = Field(
        1, ge=1, description="How often the dev questions are asked, evenly spread."
    )
    seed: int = Field(0, ge=0, description="Decides the batches and every random choice.")
    device: str | None = Field(
        None, description='"cpu", "cuda", "mps", or null for the best at hand.'
    )
    ablation: bool = Field(
        False,
        description="With train questions: tune once more without them, so that the report says "
        "what the offline writer alone brings.",
    )
    dimensions: tuple[PositiveInt, ...] = Field(
        (),
        description="Lengths to which vectors may be cut without losing much, such as [256, 128, "
        "64]; the whole length is always trained. [] for none.",
    )
    track: Literal["tensorboard", "trackio"] | None = Field(
        None,
        description="Where loss and dev scores are drawn besides stderr: tensorboard, trackio, or "
        "null for nowhere.",
        json_schema_extra=NO_EFFECT,
    )
    full: FullSettings = Field(default_factory=FullSettings)
    negatives: NegativesSettings = Field(default_factory=NegativesSettings)
    lora: LoraSettings = Field(default_factory=LoraSettings)
    query: QuerySettings = Field(default_factory=QuerySettings)
    static: StaticSettings = Field(default_factory=StaticSettings)
    adapter: AdapterSettings = Field(default_factory=AdapterSettings)
    reranker: RerankerSettings = Field(default_factory=RerankerSettings)

    @field_validator("base_url")
    @classmethod
    def _without_secrets(cls, value: str | None) -> str | None:
        return without_secrets(value)


class EvaluateSettings(Section):
    """Comparing the contenders."""

    language: str = Field(
        "", description='Two-letter code of the language for BM25, such as "de"; "" guesses it.'
    )
    seed: int = Field(0, ge=0, description="Decides the resamples behind the intervals.")
    contenders: tuple[str, ...] = Field(
        (),
        description='Further contenders as "name=spec", such as '
        '"small=openai:text-embedding-3-small" or "reranked=rerank(bm25,cross-encoder/'
        'ms-marco-MiniLM-L6-v2)".',
    )
    base_url: str | None = Field(
        None,
        description="Where an OpenAI-compatible embeddings endpoint answers that names no address "
        "of its own; null takes OPENAI_BASE_URL, or OpenAI's own.",
    )

    judge: str | None = Field(
        None,
        description="A language model that says of the first five of every contender whether they "
        "answer, where no label does, such as openai:gpt-5-mini; null for none.",
    )
    judge_base_url: str | None = Field(
        None, description="Where that judge answers; null takes OPENAI_BASE_URL or its maker's own."
    )
    judge_budget: float | None = Field(
        None, gt=0, description="Most dollars for it, earlier runs included; null for no limit."
    )
    general: tuple[str, ...] = Field(
        ("python-docs",),
        description='Questions that are not yours, to see what tuning forgets: "python-docs", '
        '"nanobeir:NFCorpus" and its like, or any dataset; [] for none.',
    )
    costs: bool = Field(
        True, description="Time every contender on this machine, some seconds each."
    )

    @field_validator("judge")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and not LANGUAGE_MODEL.match(value):
            raise ValueError("it must be a language model such as 'openai:gpt-5-mini', or null")
        return value

    @field_validator("base_url", "judge_base_url")
    @classmethod
    def _without_secrets(cls, value: str | None) -> str | None:
        return without_secrets(value)

    @field_validator("contenders")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not all(part.strip() for part in text.partition("=")):
                raise ValueError(f"{text!r} is not NAME=SPEC, such as small=openai:MODEL")
        return value


class Settings(Section):
    """Everything that a job can be told.

    Attributes:
        sources: Files, folders and globs; relative ones were made absolute when read from a file.
    """

    sources: tuple[str, ...] = Field((), description="Files, folders or globs to read.")
    test_questions: str | None = Field(
        None,
        description="JSONL or CSV with questions that people asked (question, document, quote); "
        "they become the test set, and training never sees what they ask about.",
    )
    train_questions: str | None = Field(
        None, description="The same format: questions that exist already, to train on."
    )
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    write: WriteSettings = Field(default_factory=WriteSettings)
    curate: CurateSettings = Field(default_factory=CurateSettings)
    train: TrainSettings = Field(default_factory=TrainSettings)
    evaluate: EvaluateSettings = Field(default_factory=EvaluateSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
