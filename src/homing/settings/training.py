"""Settings of training that one recipe has for itself, or that make a group of their own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from homing.settings.section import Section


class FullSettings(Section):
    """The recipes full and lora, where memory or time is short, or questions are few."""

    micro_batch: int | None = Field(
        None,
        ge=1,
        description="Passages in one forward pass where memory is short; null for all of a batch. "
        "The gradients are those of the whole batch.",
    )
    accumulate: int = Field(1, ge=1, description="Batches whose gradients make one step.")
    gradient_checkpointing: bool = Field(
        False, description="Keep no activations for the backward pass: less memory, more time."
    )
    frozen_layers: int = Field(
        0,
        ge=0,
        description="The embeddings and so many of the lower layers do not learn; what they give "
        "is computed once and kept. 0 for none.",
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="Each layer learns at this share of the rate of the one above."
    )
    directions: tuple[Literal["query-to-passage", "passage-to-query", "query-to-query"], ...] = (
        Field(
            ("query-to-passage", "passage-to-query"),
            min_length=1,
            description="What is told apart: passages for a question (query-to-passage), "
            "questions for a passage (passage-to-query), questions from questions "
            "(query-to-query).",
        )
    )
    learn_temperature: bool = Field(
        False, description="Learn the temperature too, from train.temperature on."
    )
    guide: str = Field(
        "",
        description="A model that tells which passages of a batch are probably right as well, so "
        'that they are left out: a hub id, a folder, "base" for the base model; "" for none.',
    )
    guide_margin: float = Field(
        1.0,
        gt=0,
        le=2,
        description="Leave out what the guide scores above this share of the right passage's "
        "score.",
    )


class NegativesSettings(Section):
    """Hard negatives: passages that look like the answer and are none, mined from the corpus."""

    n: int = Field(
        0,
        ge=0,
        le=32,
        description="Mined passages for each question, beside the other passages of the batch; 0 "
        "for none.",
    )
    ceiling: float = Field(
        0.95,
        gt=0,
        le=1,
        description="Pass over what the model scores above this share of the right passage's "
        "cosine: it probably answers as well.",
    )
    refresh: bool = Field(
        False, description="Mine anew before every epoch, with the model as it is by then."
    )


class LoraSettings(Section):
    """The recipe lora: small changes of low rank, merged into the weights when saved."""

    rank: int = Field(16, ge=1, le=1024, description="Rank of each change.")
    alpha: float = Field(32.0, gt=0, description="Changes are scaled by alpha / rank.")
    modules: Literal["all", "attention", "mlp"] = Field(
        "all", description="Linear layers that are changed: all, attention or mlp."
    )


class QuerySettings(Section):
    """The recipe query: the tower for questions alone; the stored index stays valid."""

    batch_questions: int = Field(32, ge=1, description="Questions in a batch.")
    teacher_weight: float = Field(
        0.5,
        ge=0,
        le=1,
        description="How much a question with an answer also learns from BM25 fused with the base "
        "model; 0 leaves out the questions without an answer, which learn from that alone.",
    )
    teacher_temperature: float = Field(
        0.7, gt=0, description="Softness of that ranking, in averaged z-scores."
    )
    teacher_depth: int = Field(100, ge=1, description="Passages of that ranking that are learnt.")
    offline_questions: int = Field(
        4,
        ge=0,
        description="At most this many questions of the offline writer about each passage that "
        "training may see, without an answer to learn from; 0 for none.",
    )


class AdapterSettings(Section):
    """The recipe adapter: a map of question vectors, fitted in seconds; passages stay as they are.

    It works for models behind an API as well: train.base_model may be openai:MODEL.
    """

    kind: Literal["linear", "low-rank", "two-layer"] = Field(
        "linear",
        description="The map: linear (a full matrix), low-rank (a small change of the identity), "
        "or two-layer.",
    )
    rank: int = Field(
        64, ge=1, le=4096, description="Rank of low-rank, and hidden units of two-layer."
    )
    pull: float = Field(
        0.05, gt=0, le=1000, description="How strongly the map is drawn to changing nothing."
    )
    temperature: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Softness of the contrast between passages; null takes what fits the base "
        "model's own scores best.",
    )
    max_steps: int = Field(60, ge=1, le=10_000, description="Most steps of the fit.")


class StaticSettings(Section):
    """The recipe static: a vector for each token, distilled from base_model."""

    smoothing: float = Field(
        0.001,
        gt=0,
        description="A token of probability p starts with the weight smoothing / (smoothing + p).",
    )
    place_weight: float = Field(
        3.0,
        ge=0,
        description="Weight of lying where base_model puts a text, beside ranking as it ranks.",
    )
    teacher_weight: float = Field(
        0.5,
        ge=0,
        le=1,
        description="How much a question with an answer also learns from BM25 fused with "
        "base_model.",
    )
    teacher_temperature: float = Field(
        0.7, gt=0, description="Softness of that ranking, in averaged z-scores."
    )
    batch_questions: int = Field(64, ge=1, description="Questions in a batch.")
    batch_passages: int = Field(512, ge=2, description="Passages in a batch.")
    offline_questions: int = Field(
        4,
        ge=0,
        description="At most this many questions of the offline writer about each passage that "
        "training may see, without an answer to learn from; 0 for none.",
    )


class RerankerSettings(Section):
    """The recipe reranker: a cross-encoder that reads question and passage together."""

    first_stage: str | None = Field(
        None,
        description="The encoder whose ranking, fused with BM25's, is read again; null takes the "
        "base model, or the default one where the base is a cross-encoder.",
    )
    loss: Literal["listwise", "binary"] = Field(
        "listwise",
        description="listwise: which of the passages answers; binary: whether a passage does.",
    )
    n_negatives: int = Field(
        4, ge=1, le=64, description="Passages beside the right one, for a question and epoch."
    )
    pool: int = Field(
        16,
        ge=1,
        le=100,
        description="Hard negatives mined for each question, of which those of an epoch are drawn.",
    )
    batch_questions: int = Field(8, ge=1, description="Questions in a batch.")
    max_tokens: int = Field(
        256, ge=16, le=32768, description="Longest pair of question and passage, in tokens."
    )
    depth: int = Field(
        20,
        ge=1,
        description="Passages of the first stage that are read again when dev is scored.",
    )
