"""Exported models: what onnxruntime computes is what the model itself does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.errors import ModelNotFoundError
from homing.retrieval.exported import ExportedEncoder, pool
from homing.retrieval.onnx import load_onnx
from homing.retrieval.onnx_files import find_onnx
from homing.types import Encoder

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
TEXTS = [*HANDBOOK.values(), "Leave", " ".join(HANDBOOK.values())]
DIMENSIONS = 8


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    """A vector for each token of the model below."""
    return np.random.default_rng(0).standard_normal((400, DIMENSIONS)).astype(np.float32)


@pytest.fixture(scope="module")
def made(table: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX model that looks a vector up for each token, and the tokenizer beside it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    folder = tmp_path_factory.mktemp("made") / "model"
    folder.mkdir()
    save(folder / "model.onnx", table, ["input_ids"], "last_hidden_state", ["n", "t", DIMENSIONS])
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[PAD]", "[UNK]"])
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def save(path: Path, table: np.ndarray, inputs: list[str], output: str, shape: list[Any]) -> None:
    """Write a graph that gathers rows of a table; its inputs beyond the first are not used."""
    make = onnx.helper
    ids = [make.make_tensor_value_info(name, 7, ["n", "t"]) for name in inputs]
    graph = make.make_graph(
        [make.make_node("Gather", ["table", "input_ids"], [output])],
        "look up",
        ids,
        [make.make_tensor_value_info(output, 1, shape)],
        [onnx.numpy_helper.from_array(table, "table")],
    )
    opset = make.make_opsetid("", 17)
    onnx.save(make.make_model(graph, opset_imports=[opset], ir_version=10), str(path))


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "copy")


def looked_up(encoder: ExportedEncoder, table: np.ndarray, texts: list[str]) -> list[np.ndarray]:
    """Return the vectors of each text's tokens."""
    return [table[one.ids] for one in encoder._tokenizer.encode_batch(texts)]


def unit(rows: list[np.ndarray]) -> np.ndarray:
    vectors = np.stack(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_token_vectors_are_averaged_without_the_padding(made: Path, table: np.ndarray):
    encoder = load_onnx(str(made))
    assert isinstance(encoder, Encoder)
    expected = unit([rows.mean(axis=0) for rows in looked_up(encoder, table, TEXTS)])
    found = encoder.encode_passages(TEXTS)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(encoder.encode_queries(TEXTS), found)
    assert encoder.encode_passages([]).shape == (0, DIMENSIONS) == (0, encoder.dimensions)


@pytest.mark.parametrize("saved", [{"pooling_mode": "cls"}, {"pooling_mode_cls_token": True}])
def test_the_pooling_that_was_saved_is_the_one_that_is_done(
    copy: Path, table: np.ndarray, saved: dict[str, Any]
):
    (copy / "1_Pooling").mkdir()
    (copy / "1_Pooling" / "config.json").write_text(json.dumps(saved))
    encoder = load_onnx(str(copy))
    expected = unit([rows[0] for rows in looked_up(encoder, table, TEXTS)])
    assert encoder.encode_passages(TEXTS) == pytest.approx(expected, abs=1e-6)


def test_the_vector_of_the_last_token_is_before_the_padding():
    tokens = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    mask = np.array([[1, 1, 0], [1, 1, 1]])
    assert pool(tokens, mask, "lasttoken").tolist() == [[2, 3], [10, 11]]
    assert pool(tokens, mask, "mean").tolist() == [[1, 2], [8, 9]]


def test_prompts_and_limits_saved_beside_the_model_hold(copy: Path):
    plain = load_onnx(str(copy))
    prompts = {"prompts": {"query": "leave: ", "document": "travel: "}}
    (copy / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    encoder = load_onnx(str(copy))
    for found, prompt in (
        (encoder.encode_queries(TEXTS), "leave: "),
        (encoder.encode_passages(TEXTS), "travel: "),
    ):
        expected = plain.encode_passages([prompt + text for text in TEXTS])
        assert found == pytest.approx(expected, abs=1e-6)
    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 8}')
    (copy / "config.json").write_text('{"max_position_embeddings": 12}')
    short, capped = load_onnx(str(copy)), load_onnx(str(copy), max_tokens=10_000)
    assert len({plain.key, encoder.key, short.key, capped.key}) == 4
    assert len(short._tokenizer.encode(TEXTS[-1]).ids) == 8
    assert len(capped._tokenizer.encode(TEXTS[-1]).ids) == 12


def test_masks_and_kinds_and_places_of_tokens_are_given_to_models_that_want_them(
    copy: Path, table: np.ndarray
):
    names = ["input_ids", "attention_mask", "token_type_ids", "position_ids"]
    save(copy / "all.onnx", table, names, "last_hidden_state", ["n", "t", DIMENSIONS])
    found = load_onnx(str(copy / "all.onnx")).encode_passages(TEXTS)
    assert np.array_equal(found, load_onnx(str(copy)).encode_passages(TEXTS))
    save(copy / "eyes.onnx", table, ["input_ids", "pixels"], "y", ["n", "t", DIMENSIONS])
    with pytest.raises(ModelNotFoundError, match="wants pixels, which no text has"):
        load_onnx(str(copy / "eyes.onnx"))


def test_exports_in_a_folder_of_their_own_are_found(copy: Path, made: Path):
    (copy / "onnx").mkdir()
    (copy / "model.onnx").rename(copy / "onnx" / "model.onnx")
    files = find_onnx(str(copy))
    assert files.model == copy / "onnx" / "model.onnx"
    assert files.tokenizer == copy / "tokenizer.json"
    assert load_onnx(str(copy)).key == load_onnx(str(made)).key


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def renamed(folder: Path) -> None:
    (folder / "model.onnx").rename(folder / "whole.onnx")


def broken(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"this is no model")


def of_one_number(folder: Path) -> None:
    table = np.zeros(400, dtype=np.float32)
    save(folder / "model.onnx", table, ["input_ids"], "logits", ["n"])


def oddly_pooled(folder: Path) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "weightedmean"}')


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (without_tokenizer, r"no tokenizer\.json beside"),
        (renamed, r"no .*model\.onnx\. There is whole\.onnx: name one of them"),
        (broken, r"cannot be loaded.*Export it again"),
        (of_one_number, r"gives logits: neither sentence vectors"),
        (oddly_pooled, r"pools by weightedmean.*pooling inside"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(
    copy: Path, spoil: Callable[[Path], None], what: str
):
    spoil(copy)
    with pytest.raises(ModelNotFoundError, match=what):
        load_onnx(str(copy))


@pytest.fixture(scope="module")
def exported(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two exports of one model: of token vectors, and of sentence vectors."""
    import torch

    from homing.retrieval.models import load_sentence_transformer

    pytest.importorskip("onnxscript")

    class Tokens(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = load_sentence_transformer(str(tiny_model))[0].auto_model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.inner(input_ids=input_ids, attention_mask=attention_mask)[0]

    class Sentences(Tokens):
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            mask = attention_mask.unsqueeze(-1).float()
            tokens = super().forward(input_ids, attention_mask)
            return (tokens * mask).sum(1) / mask.sum(1)

    folder = tmp_path_factory.mktemp("onnx") / "exported"
    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    ids = torch.ones((3, 7), dtype=torch.int64)
    open_axes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=64)}
    for module, name, output in (
        (Tokens(), "model.onnx", "last_hidden_state"),
        (Sentences(), "whole.onnx", "sentence_embedding"),
    ):
        torch.onnx.export(
            module.eval(),
            (ids, torch.ones_like(ids)),
            str(folder / name),
            dynamo=True,
            input_names=["input_ids", "attention_mask"],
            output_names=[output],
            dynamic_shapes=(open_axes, open_axes),
            verbose=False,
        )
    return folder


@pytest.fixture(scope="module")
def expected(tiny_model: Path) -> np.ndarray:
    from homing.retrieval.encoders import SentenceTransformerEncoder
    from homing.retrieval.models import load_sentence_transformer

    model = load_sentence_transformer(str(tiny_model))
    return SentenceTransformerEncoder(model, bf16=False).encode_passages(TEXTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.onnx", "whole.onnx"])
def test_an_export_gives_the_vectors_of_the_model(exported: Path, expected: np.ndarray, name: str):
    found = load_onnx(str(exported / name)).encode_passages(TEXTS)
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.slow
def test_eight_bits_work_the_same(exported: Path, expected: np.ndarray, tmp_path: Path):
    quantization = pytest.importorskip("onnxruntime.quantization")
    folder = shutil.copytree(exported, tmp_path / "int8")
    # Shapes that the export has noted stand in the way of what the quantiser changes.
    whole = onnx.load(str(folder / "model.onnx"))
    del whole.graph.value_info[:]
    onnx.save(whole, str(folder / "plain.onnx"))
    quantization.quantize_dynamic(folder / "plain.onnx", folder / "model_int8.onnx")
    encoder = load_onnx(str(folder / "model_int8.onnx"))
    assert np.sum(encoder.encode_passages(TEXTS) * expected, axis=1).min() > 0.98
    assert encoder.key != load_onnx(str(folder)).key
