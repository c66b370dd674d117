"""Encoders: the library's own vectors, sooner."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.retrieval.encoders import (
    SentenceTransformerEncoder,
    batches_by_tokens,
    encoder_for,
    has_fast_bf16,
    model_key,
)
from homing.retrieval.models import embedded_folder, load_sentence_transformer
from homing.types import Encoder

TEXTS = [
    "Parental leave",
    "How many days of leave do employees get in their first year with the company?",
    "",
    "Travel costs are refunded within thirty days. " * 12,
    "Überstunden werden ausbezahlt 🌍",
    "leave " * 700,
]


@pytest.fixture(scope="module")
def model():
    return load_sentence_transformer(max_tokens=64)


@pytest.fixture
def encoder(model):
    before = dict(model.prompts), model.max_seq_length
    yield SentenceTransformerEncoder(model, batch_tokens=256, bf16=False)
    model.prompts, model.max_seq_length = before


def test_vectors_are_the_librarys_in_the_order_of_the_texts(model, encoder):
    expected = model.encode(TEXTS, normalize_embeddings=True)
    assert encoder.encode_passages(TEXTS) == pytest.approx(expected, abs=2e-6)
    assert encoder.encode_queries(TEXTS) == pytest.approx(expected, abs=2e-6)


def test_vectors_are_plain_unit_float32_that_may_be_written_to(encoder):
    vectors = encoder.encode_passages(TEXTS[:2])
    assert isinstance(encoder, Encoder)
    assert (vectors.shape, vectors.dtype) == ((2, encoder.dimensions), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-6)
    vectors[0] = 0
    assert encoder.encode_passages([]).shape == (0, encoder.dimensions)


def test_prompts_go_before_the_texts_of_their_side(model, encoder):
    model.prompts = {"query": "search_query: ", "document": "search_document: "}
    prompted = SentenceTransformerEncoder(model, bf16=False)
    for vectors, expected in [
        (prompted.encode_queries(TEXTS[:2]), model.encode_query(TEXTS[:2])),
        (prompted.encode_passages(TEXTS[:2]), model.encode_document(TEXTS[:2])),
    ]:
        assert vectors == pytest.approx(expected, abs=2e-6)
    plain = encoder.encode_queries(TEXTS[:2])
    assert np.abs(prompted.encode_queries(TEXTS[:2]) - plain).max() > 0.01


def test_prompts_that_pooling_leaves_out_are_left_out(model):
    model.prompts = {"query": "search_query: ", "document": ""}
    model[1].include_prompt = False
    try:
        vectors = SentenceTransformerEncoder(model, bf16=False).encode_queries(TEXTS[:2])
        assert vectors == pytest.approx(model.encode_query(TEXTS[:2]), abs=2e-6)
    finally:
        model[1].include_prompt = True
        model.prompts = {"query": "", "document": ""}


def test_models_that_are_no_transformer_work_too(model):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(embedded_folder() / "tokenizer.json"))
    static = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)])
    vectors = SentenceTransformerEncoder(static, bf16=False).encode_passages(TEXTS[:2])
    expected = static.encode(TEXTS[:2], normalize_embeddings=True)
    assert vectors == pytest.approx(expected, abs=2e-6)


def test_the_key_changes_with_whatever_changes_the_vectors(model, encoder):
    import torch

    key = model_key(model)
    assert key == encoder.key
    encoder.encode_queries(TEXTS[:1])
    assert model_key(model) == key
    assert model_key(model, bf16=True) != key
    model.max_seq_length = 32
    assert model_key(model) != key
    model.max_seq_length = 64
    model.prompts = {**model.prompts, "query": "query: "}
    assert model_key(model) != key
    model.prompts = {**model.prompts, "query": ""}
    weight = next(model.parameters())
    with torch.no_grad():
        before = weight[0, 0].item()
        weight[0, 0] += 0.5
        assert model_key(model) != key
        weight[0, 0] = before
    assert model_key(model) == key


def test_bfloat16_gives_nearly_the_same_vectors(model, encoder):
    halved = SentenceTransformerEncoder(model, bf16=True).encode_passages(TEXTS[:3])
    assert halved.dtype == np.float32
    assert np.sum(halved * encoder.encode_passages(TEXTS[:3]), axis=1) == pytest.approx(1, abs=0.01)


def test_bfloat16_is_chosen_where_the_processor_multiplies_it():
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        pytest.skip("the processor's flags cannot be read here")
    flags = set(cpuinfo.read_text().split())
    assert has_fast_bf16("cpu") == bool(flags & {"avx512_bf16", "amx_tile"})
    assert not has_fast_bf16("meta")


def test_the_default_model_reads_512_tokens_and_never_more_than_it_can():
    assert encoder_for().model.max_seq_length == 512
    assert load_sentence_transformer(max_tokens=4096).max_seq_length == 512


def test_the_prompts_of_the_family_are_saved_with_the_model(tmp_path: Path):
    source = tmp_path / "bge-small-en-v1.5"
    shutil.copytree(embedded_folder(), source)
    query = "Represent this sentence for searching relevant passages: "
    model = load_sentence_transformer(str(source))
    assert model.prompts == {"query": query, "document": ""}
    assert model.max_seq_length == 256
    model.save(str(tmp_path / "tuned"))
    again = encoder_for(str(tmp_path / "tuned"))
    assert again.prompts.query == query
    assert again.model.max_seq_length == 256


def test_a_bare_transformer_gets_mean_pooling_and_normalisation_and_it_is_said(
    tmp_path: Path, capsys
):
    bare = tmp_path / "bare"
    shutil.copytree(embedded_folder(), bare)
    shutil.rmtree(bare / "1_Pooling")
    for name in ("modules.json", "sentence_bert_config.json"):
        (bare / name).unlink()
    model = load_sentence_transformer(str(bare), max_tokens=64)
    assert "mean pooling" in capsys.readouterr().err
    expected = load_sentence_transformer(max_tokens=64).encode(TEXTS[:2])
    assert model.encode(TEXTS[:2]) == pytest.approx(expected, abs=1e-6)


def test_a_model_that_cannot_be_loaded_is_an_error_with_a_remedy(tmp_path: Path):
    from homing.errors import ModelNotFoundError

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelNotFoundError, match="cannot be loaded"):
        load_sentence_transformer(str(tmp_path))


@given(st.lists(st.integers(0, 600), max_size=80), st.integers(1, 2000))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int):
    batches = list(batches_by_tokens(lengths, budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= budget
    widths = [max(lengths[i] for i in batch) for batch in batches]
    assert widths == sorted(widths, reverse=True)
