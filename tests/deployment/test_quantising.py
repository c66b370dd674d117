"""Models of 8 bits: small, near to the original, and of one mind about a text in any batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.deployment import quantising
from homing.deployment.graph import export_graph, save_beside
from homing.deployment.quantising import compress_weights, quantise_dynamic, quantise_static
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.onnx import load_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
TEXTS = [*HANDBOOK.values(), "Leave", " ".join(HANDBOOK.values())]


@pytest.fixture(scope="module")
def whole(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's graph, with all that belongs beside it."""
    folder = tmp_path_factory.mktemp("whole")
    model = load_sentence_transformer(str(tiny_model), device="cpu")
    save_beside(model, folder)
    export_graph(model, folder / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def expected(tiny_model: Path) -> np.ndarray:
    model = load_sentence_transformer(str(tiny_model), device="cpu")
    return SentenceTransformerEncoder(model, bf16=False).encode_passages(TEXTS)


@pytest.fixture(autouse=True)
def small_tables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantising, "MIN_ROWS", 100)


def samples() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    found = []
    for length in (4, 9, 30, 60):
        ids = rng.integers(5, 200, (1, length))
        types = np.zeros_like(ids)
        found.append(
            {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
        )
    return found


def made(whole: Path, way: str) -> Path:
    target = whole / f"{way}.onnx"
    if way == "static":
        names = {v.name for v in onnx.load(str(whole / "model.onnx")).graph.input}
        given = [{n: v for n, v in sample.items() if n in names} for sample in samples()]
        quantise_static(whole / "model.onnx", target, given)
    else:
        write = {"dynamic": quantise_dynamic, "compressed": compress_weights}[way]
        write(whole / "model.onnx", target)
    return target


@pytest.mark.slow
@pytest.mark.parametrize(("way", "least"), [("dynamic", 0.999), ("compressed", 0.999)])
def test_eight_bits_stay_near_and_do_not_hang_on_the_batch(whole, expected, way, least):
    encoder = load_onnx(str(made(whole, way)))
    together = encoder.encode_passages(TEXTS)
    assert np.sum(together * expected, axis=1).min() > least
    alone = np.concatenate([encoder.encode_passages([text]) for text in TEXTS])
    assert np.sum(together * alone, axis=1).min() > 0.9999
    assert encoder.key != load_onnx(str(whole)).key


def test_ranges_found_on_samples_stay_near(whole, expected):
    encoder = load_onnx(str(made(whole, "static")))
    together = encoder.encode_passages(TEXTS)
    assert np.sum(together * expected, axis=1).min() > 0.97
    alone = np.concatenate([encoder.encode_passages([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize("way", ["dynamic", "static", "compressed"])
def test_weights_and_table_are_whole_numbers_and_the_rest_is_not(whole, way):
    graph = onnx.load(str(made(whole, way))).graph
    large = [v for v in graph.initializer if len(v.dims) >= 2 and np.prod(v.dims) >= 1024]
    kinds = {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    # The 64 positions are too few to be worth it.
    assert {tuple(v.dims) for v in large if v.data_type not in kinds} <= {(64, 32), (1, 64, 32)}
    assert any(v.dims[0] > 100 for v in large if v.data_type in kinds)
    # Attention multiplies what is computed, and does so in float32.
    assert sum(node.op_type == "MatMul" for node in graph.node) >= 2 * 2


def test_rows_of_zeros_stay_zeros():
    whole_numbers, scale = quantising._to_int8(np.array([[0, 0], [2, -1]], np.float32), axis=1)
    assert whole_numbers.tolist() == [[0, 0], [127, -64]]
    assert np.allclose(whole_numbers * scale, [[0, 0], [2, -1]], atol=0.01)


def test_ranges_want_samples(whole, tmp_path):
    with pytest.raises(ValueError, match="no sample"):
        quantise_static(whole / "model.onnx", tmp_path / "m.onnx", [])
