"""A tuned model of each kind, and what it must answer wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from homing.reporting.data import ModelFacts
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.towers import join_towers
from homing.types import FloatArray, passage_input

KINDS = ("plain", "prompts", "two towers")
QUERY_PROMPT = "Represent this sentence for searching relevant passages: "
PASSAGE_PROMPT = "passage: "
TITLES = ["Rigging", "Leave", "Safety › At sea", ""]
TEXTS = [
    "The mast is raised by two people, and the shrouds are tightened before the sails go up.",
    "Ask for leave four weeks ahead. Whoever falls ill calls before eight.",
    "Everybody wears a life jacket on deck — at night, and when the wind is above force five. " * 9,
    "The office is closed between the years.",
]
PASSAGES = [passage_input(title, text) for title, text in zip(TITLES, TEXTS, strict=True)]
"""What goes in: the title, a line break and the text."""
QUESTIONS = ["how do I ask for leave", "who raises the mast?", "life jackets at night " * 40]


@dataclass(frozen=True)
class Tuned:
    """A tuned model, and what it must answer wherever it runs.

    Attributes:
        passage_vectors: Of `PASSAGES`, float32 and of length 1.
        query_vectors: The same of `QUESTIONS`.
    """

    folder: Path
    encoder: SentenceTransformerEncoder
    two_towers: bool

    @property
    def passage_vectors(self) -> FloatArray:
        return self.encoder.encode_passages(PASSAGES)

    @property
    def query_vectors(self) -> FloatArray:
        return self.encoder.encode_queries(QUESTIONS)

    @property
    def facts(self) -> ModelFacts:
        """What the report and the card know of the model."""
        prompts = self.encoder.prompts
        return ModelFacts(
            str(self.folder),
            "base",
            query_prompt=prompts.query,
            passage_prompt=prompts.passage,
            two_towers=self.two_towers,
        )


def make_tuned(kind: str, tiny_model: Path, folder: Path) -> Tuned:
    """Return a model of one of `KINDS`, saved in a folder."""
    import torch

    model = load_sentence_transformer(str(tiny_model), device="cpu")
    if kind != "plain":
        model.prompts.update(query=QUERY_PROMPT, document=PASSAGE_PROMPT)
    if kind == "two towers":
        other = load_sentence_transformer(str(tiny_model), device="cpu")
        other.prompts.update(query=QUERY_PROMPT, document=PASSAGE_PROMPT)
        with torch.no_grad():
            for number, weights in enumerate(other.parameters()):
                torch.manual_seed(number)
                weights.add_(0.05 * torch.randn_like(weights))
        model = join_towers(other, model)
    model.save_pretrained(str(folder), create_model_card=False)
    loaded = load_sentence_transformer(str(folder), device="cpu")
    encoder = SentenceTransformerEncoder(loaded, bf16=False)
    return Tuned(folder, encoder, kind == "two towers")


def assert_same(vectors: object, expected: FloatArray) -> None:
    """Fail unless the vectors are the expected ones to 1e-5 in every number."""
    np.testing.assert_allclose(np.array(vectors, dtype=np.float64), expected, rtol=0, atol=1e-5)
