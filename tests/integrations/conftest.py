"""Models that a forgotten prompt or a wrong tower would show in, by folder and by server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import served
from tuned_models import PASSAGE_PROMPT, QUERY_PROMPT, Tuned

from homing.deployment.server.model import serve_as
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.models import load_sentence_transformer

os.environ.setdefault("LANCE_LOG", "error")
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")


@pytest.fixture(scope="session", params=["plain", "prompts", "two towers"])
def tuned(
    request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Tuned:
    """A model of each kind that tuning hands over."""
    import torch

    from homing.retrieval.towers import join_towers

    folder = tmp_path_factory.mktemp("tuned") / "model"
    model = load_sentence_transformer(str(tiny_model), device="cpu")
    if request.param != "plain":
        model.prompts.update(query=QUERY_PROMPT, document=PASSAGE_PROMPT)
    if request.param == "two towers":
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
    return Tuned(folder, encoder, request.param == "two towers")


@pytest.fixture(scope="session")
def server(tuned: Tuned) -> Iterator[str]:
    """The base URL of a server that serves the model as "handbook"."""
    with served(serve_as("handbook", tuned.encoder, tuned.folder)) as url:
        yield url
