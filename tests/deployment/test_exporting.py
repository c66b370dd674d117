"""Exports give the vectors of the model, whatever the model does, in any batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.deployment.backends import encoder_at
from homing.deployment.exporting import Exporter
from homing.deployment.formats import FORMATS, read_formats
from homing.errors import UsageError
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.truncating import TruncatedEncoder
from homing.types import Encoder

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
TEXTS = [*HANDBOOK.values(), "Leave", "", "   ", " ".join(HANDBOOK.values())]


def exporter(folder: Path, scratch: Path, **options: Any) -> Exporter:
    model = load_sentence_transformer(str(folder), device="cpu")
    texts = list(HANDBOOK.values())
    return Exporter(
        model, folder, scratch, name=str(folder), questions=texts[:3], passages=texts, **options
    )


def export(folder: Path, out: Path, name: str, **options: Any) -> Encoder:
    """Return the encoder of an export that is made now."""
    target = out / name
    target.mkdir()
    exporter(folder, out / "graph", **options).write(name, target)
    return encoder_at(target, FORMATS[name].backend)


def original(folder: Path) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(
        load_sentence_transformer(str(folder), device="cpu"), bf16=False
    )


def assert_same(exported: Encoder, expected: Encoder) -> None:
    for side in ("encode_queries", "encode_passages"):
        vectors = getattr(expected, side)(TEXTS)
        together = getattr(exported, side)(TEXTS)
        np.testing.assert_allclose(together, vectors, atol=1e-5)
        alone = np.concatenate([getattr(exported, side)([text]) for text in TEXTS])
        np.testing.assert_allclose(alone, vectors, atol=1e-5)
    assert exported.encode_queries([]).shape == (0, expected.dimensions)


@pytest.fixture
def changed(tiny_model: Path, tmp_path: Path) -> Any:
    """Save the tiny model with other modules and prompts."""

    def save(modules: Any = None, prompts: dict[str, str] | None = None) -> Path:
        from sentence_transformers import SentenceTransformer

        model = load_sentence_transformer(str(tiny_model), device="cpu")
        if modules is not None:
            model = SentenceTransformer(modules=[model[0], *modules()], device="cpu")
        if prompts is not None:
            model.prompts = prompts
        model.save_pretrained(str(tmp_path / "changed"), create_model_card=False)
        return tmp_path / "changed"

    return save


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_in_float32_the_vectors_are_those_of_the_model(tiny_model, tmp_path, name):
    pytest.importorskip(FORMATS[name].backend.replace("onnx", "onnxruntime"))
    assert_same(export(tiny_model, tmp_path, name), original(tiny_model))


@pytest.mark.slow
def test_prompts_are_put_before_texts_once(changed, tmp_path):
    folder = changed(prompts={"query": "leave: ", "document": "travel: "})
    exported = export(folder, tmp_path, "onnx")
    assert_same(exported, original(folder))
    plain = exported.encode_prompted(["leave: " + TEXTS[0]])  # type: ignore[attr-defined]
    np.testing.assert_allclose(exported.encode_queries(TEXTS[:1]), plain, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["cls", "max", "weightedmean", "lasttoken"])
def test_pooling_is_in_the_graph_in_whatever_way_it_is_done(changed, tmp_path, mode):
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    folder = changed(lambda: [Pooling(32, pooling_mode=mode), Normalize()])
    assert_same(export(folder, tmp_path, "onnx"), original(folder))


@pytest.mark.slow
def test_a_head_is_part_of_the_graph(changed, tmp_path):
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling

    folder = changed(lambda: [Pooling(32, pooling_mode="mean"), Dense(32, 12)])
    exported = export(folder, tmp_path, "onnx")
    assert exported.dimensions == 12
    assert_same(exported, original(folder))


@pytest.mark.slow
def test_vectors_are_cut_in_the_graph(tiny_model, tmp_path):
    exported = export(tiny_model, tmp_path, "onnx", dimensions=8)
    assert_same(exported, TruncatedEncoder(original(tiny_model), 8))
    with pytest.raises(UsageError, match=r"Leave --dimensions out"):
        exporter(tiny_model, tmp_path / "g", dimensions=8).write("safetensors", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_each_side_is_embedded_by_its_own_tower(two_towers, tmp_path, name):
    pytest.importorskip(FORMATS[name].backend.replace("onnx", "onnxruntime"))
    exported = export(two_towers, tmp_path, name)
    assert_same(exported, original(two_towers))
    assert exported.key != exported.passage_key  # type: ignore[attr-defined]
    assert {p.name for p in (tmp_path / name).iterdir()} == {"query", "document"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["distilbert", "mpnet", "modernbert", "qwen3"])
def test_other_architectures_export_as_well(tiny_model, tmp_path, kind):
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
    from small_models import small_model

    folder = tmp_path / "saved"
    small_model(kind, tiny_model, tmp_path / "plain").save_pretrained(str(folder))
    exported = export(folder, tmp_path, "onnx")
    expected = original(folder)
    np.testing.assert_allclose(
        exported.encode_passages(TEXTS), expected.encode_passages(TEXTS), atol=1e-4
    )


def test_a_folder_is_complete_and_laid_out_as_the_library_looks_for_it(tiny_model, tmp_path):
    export(tiny_model, tmp_path, "onnx")
    there = {p.relative_to(tmp_path / "onnx").as_posix() for p in (tmp_path / "onnx").rglob("*.*")}
    assert {
        *("onnx/model.onnx", "tokenizer.json", "config.json", "modules.json"),
        *("config_sentence_transformers.json", "1_Pooling/config.json"),
    } <= there
    assert not any(name.endswith(".safetensors") for name in there)
    modules = json.loads((tmp_path / "onnx" / "modules.json").read_text())
    assert modules[0]["path"] == ""


def test_safetensors_are_the_model_itself(tiny_model, tmp_path):
    target = tmp_path / "copied"
    target.mkdir()
    exporter(tiny_model, tmp_path / "graph").write("safetensors", target)
    for file in tiny_model.rglob("*.*"):
        if file.is_file():
            assert (target / file.relative_to(tiny_model)).read_bytes() == file.read_bytes()


def test_a_static_model_needs_no_export(tiny_model, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
    with pytest.raises(UsageError, match=r"looks a vector up.*needs no export"):
        Exporter(model, None, tmp_path, name="small")


def test_a_static_export_without_texts_says_what_it_wants(tiny_model, tmp_path):
    model = load_sentence_transformer(str(tiny_model), device="cpu")
    with pytest.raises(UsageError, match=r"finds its ranges on passages.*--dataset"):
        Exporter(model, tiny_model, tmp_path, name="tiny").write("onnx-int8-static", tmp_path)


def test_formats_are_read_with_commas_each_once():
    assert read_formats("ONNX, openvino,,onnx") == ["onnx", "openvino"]
    with pytest.raises(UsageError, match=r"'gguf' is no format.*onnx-int8"):
        read_formats("onnx,gguf")
    with pytest.raises(UsageError, match="No format is named"):
        read_formats(" , ")


@pytest.mark.slow
def test_the_default_model_is_the_same_in_onnx_and_openvino(tmp_path):
    model = load_sentence_transformer(None, device="cpu")
    expected = SentenceTransformerEncoder(model, bf16=False)
    texts = [*HANDBOOK.values(), "", " ".join([*HANDBOOK.values()] * 30)]
    of_library = model.encode(texts, normalize_embeddings=True, batch_size=4)
    source = Exporter(model, None, tmp_path / "graph", name="default", passages=texts)
    for name, tolerance in (("onnx", 1e-5), ("openvino", 1e-5), ("onnx-int8", None)):
        (tmp_path / name).mkdir()
        source.write(name, tmp_path / name)
        vectors = encoder_at(tmp_path / name, FORMATS[name].backend).encode_passages(texts)
        if tolerance is not None:
            np.testing.assert_allclose(vectors, of_library, atol=tolerance)
            np.testing.assert_allclose(vectors, expected.encode_passages(texts), atol=tolerance)
        assert np.sum(vectors * of_library, axis=1).min() > 0.99
