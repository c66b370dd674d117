"""Models with two towers: each side is answered by its own, and each keeps its limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.errors import UsageError
from homing.retrieval.encoders import SentenceTransformerEncoder, encoder_for
from homing.retrieval.models import load_sentence_transformer, load_tokenizer_file, position_limit
from homing.retrieval.towers import join_towers, towers_of
from homing.training.models import load_for_training
from homing.training.settings import TrainingSettings

torch = pytest.importorskip("torch")

TEXTS = list(HANDBOOK.values())


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A model whose tower for questions has other weights, another limit and a prompt."""
    query, document = (load_sentence_transformer(str(tiny_model), device="cpu") for _ in range(2))
    with torch.no_grad():
        for parameter in query.parameters():
            parameter.mul_(1.1).add_(0.01)
    query.max_seq_length = 16
    query.prompts = {"query": "find: ", "document": "never asked for"}
    document.prompts = {"query": "never asked for", "document": "text: "}
    joined = join_towers(query, document)
    joined.save_pretrained(str(tmp_path / "model"), create_model_card=False)
    return tmp_path / "model"


@pytest.mark.usefixtures("in_float32")
def test_each_side_is_that_of_the_library(folder: Path) -> None:
    model = load_sentence_transformer(str(folder), device="cpu")
    encoder = SentenceTransformerEncoder(model)
    assert (encoder.prompts.query, encoder.prompts.passage) == ("find: ", "text: ")
    queries = model.encode_query(TEXTS, normalize_embeddings=True)
    passages = model.encode_document(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), queries, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_passages(TEXTS), passages, atol=1e-5)
    assert np.abs(queries - passages).max() > 0.01


def test_each_tower_keeps_the_limit_that_it_was_saved_with(folder: Path) -> None:
    towers = towers_of(load_sentence_transformer(str(folder), device="cpu"))
    assert towers is not None
    assert (towers.query.max_seq_length, towers.document.max_seq_length) == (16, 64)
    shorter = towers_of(load_sentence_transformer(str(folder), max_tokens=12, device="cpu"))
    assert shorter is not None
    assert (shorter.query.max_seq_length, shorter.document.max_seq_length) == (12, 12)


def test_positions_and_the_tokenizer_are_found(folder: Path) -> None:
    assert position_limit(load_sentence_transformer(str(folder), device="cpu")) == 64
    assert load_tokenizer_file(str(folder)).parent.name == "document_0_Transformer"


def test_the_keys_tell_the_towers_apart(tiny_model: Path, folder: Path) -> None:
    encoder = encoder_for(str(folder))
    assert encoder.key != encoder.passage_key
    base = encoder_for(str(tiny_model))
    assert base.key == base.passage_key
    # The prompt for passages differs, and so must what is kept of them.
    assert encoder.passage_key != base.key


@pytest.mark.usefixtures("in_float32")
def test_towers_share_their_weights_with_the_model(folder: Path) -> None:
    model = load_sentence_transformer(str(folder), device="cpu")
    towers = towers_of(model)
    assert towers is not None
    before = model.encode_query(["a badge"])
    with torch.no_grad():
        words = next(iter(towers.query.parameters()))
        words.add_(torch.linspace(0, 1, words.shape[1]))
    assert np.abs(model.encode_query(["a badge"]) - before).max() > 1e-3


def test_a_model_for_both_sides_has_no_towers(tiny_model: Path) -> None:
    assert towers_of(load_sentence_transformer(str(tiny_model), device="cpu")) is None


@pytest.mark.parametrize("recipe", ["full", "lora"])
def test_a_recipe_for_one_tower_refuses_two(folder: Path, recipe) -> None:
    settings = TrainingSettings(recipe=recipe, device="cpu")
    with pytest.raises(UsageError, match="--recipe query"):
        load_for_training(str(folder), settings)
