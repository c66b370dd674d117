"""Static models: model2vec's own vectors, from a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.errors import ModelNotFoundError
from homing.retrieval.static import StaticEncoder, find_static, is_static, load_static
from homing.types import Encoder

model2vec = pytest.importorskip("model2vec")
TEXTS = list(HANDBOOK.values())


def test_vectors_are_the_librarys_made_one_long(static_model: Path):
    encoder = load_static(str(static_model))
    expected = model2vec.StaticModel.from_pretrained(static_model).encode(TEXTS, normalize=True)
    assert isinstance(encoder, Encoder)
    assert encoder.encode_passages(TEXTS) == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(encoder.encode_queries(TEXTS), encoder.encode_passages(TEXTS))
    assert encoder.encode_passages([]).shape == (0, encoder.dimensions)
    assert encoder.encode_passages(TEXTS).dtype == np.float32


def test_a_text_of_unknown_words_is_like_nothing(static_model: Path):
    encoder = load_static(str(static_model))
    assert not encoder.encode_queries(["", "☃"]).any()


def test_longer_texts_than_the_limit_are_cut(static_model: Path):
    text = " ".join(TEXTS)
    short, whole = load_static(str(static_model), 4), load_static(str(static_model))
    assert short.key != whole.key
    assert np.abs(short.encode_passages([text]) - whole.encode_passages([text])).max() > 1e-3


def test_the_key_names_the_vectors(static_model: Path):
    model = model2vec.StaticModel.from_pretrained(static_model)
    key = StaticEncoder(model).key
    assert load_static(str(static_model)).key == key
    model.embedding = model.embedding.copy()
    model.embedding[0, 0] += 1
    assert StaticEncoder(model).key != key


def test_a_folder_of_model2vec_is_told_from_others(static_model: Path, tiny_model: Path):
    assert is_static(static_model)
    assert not is_static(tiny_model)
    assert not is_static(static_model / "nowhere")
    assert find_static(str(static_model)) == static_model


def test_what_is_no_static_model_is_an_error_with_a_remedy(tmp_path: Path):
    with pytest.raises(ModelNotFoundError, match=r"holds no static model: model\.safetensors"):
        load_static(str(tmp_path))
    with pytest.raises(ModelNotFoundError, match=r"no folder \./nowhere"):
        load_static("./nowhere")
    (tmp_path / "model.safetensors").write_bytes(b"none")
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelNotFoundError, match="cannot be loaded"):
        load_static(str(tmp_path))
