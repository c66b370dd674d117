"""Models in OpenVINO's form: batched as ONNX models are, in the precision that was asked for."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.errors import ModelNotFoundError, UsageError
from homing.evaluation.contenders import parse_contender
from homing.evaluation.identities import fingerprints
from homing.retrieval import openvino as ours
from homing.retrieval.onnx import load_onnx
from homing.retrieval.openvino import has_bf16, load_openvino

onnx = pytest.importorskip("onnx")
openvino = pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")
TEXTS = [*HANDBOOK.values(), "Leave", "", " ".join(HANDBOOK.values())]
DIMENSIONS = 8


@pytest.fixture(scope="module")
def made(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph that looks a vector up for each token, in both forms, with the tokenizer beside."""
    folder = tmp_path_factory.mktemp("openvino") / "model"
    folder.mkdir()
    shutil.copy(tiny_model / "tokenizer.json", folder)
    table = np.random.default_rng(0).standard_normal((700, DIMENSIONS)).astype(np.float32)
    make = onnx.helper
    graph = make.make_graph(
        [make.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "look up",
        [make.make_tensor_value_info("input_ids", 7, ["n", "t"])],
        [make.make_tensor_value_info("last_hidden_state", 1, ["n", "t", DIMENSIONS])],
        [onnx.numpy_helper.from_array(table, "table")],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "openvino").mkdir()
    openvino.save_model(
        openvino.convert_model(str(folder / "model.onnx")),
        str(folder / "openvino" / "openvino_model.xml"),
        compress_to_fp16=False,
    )
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "model")


def test_vectors_are_those_of_onnxruntime_and_the_keys_differ(made: Path):
    encoder, same = load_openvino(str(made)), load_onnx(str(made))
    np.testing.assert_allclose(
        encoder.encode_passages(TEXTS), same.encode_passages(TEXTS), atol=1e-6
    )
    assert encoder.key != same.key
    by_file = load_openvino(str(made / "openvino" / "openvino_model.xml"))
    assert by_file.key == encoder.key


def test_several_threads_may_ask_at_once(made: Path):
    encoder = load_openvino(str(made))
    expected, found = encoder.encode_queries(TEXTS), {}

    def ask(number: int) -> None:
        found[number] = [encoder.encode_queries([text])[0] for text in TEXTS]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for vectors in found.values():
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_bfloat16_is_said_and_only_where_there_is_any(made: Path, monkeypatch):
    if has_bf16():
        assert load_openvino(str(made), precision="bf16").key != load_openvino(str(made)).key
    monkeypatch.setattr(ours, "has_bf16", lambda: False)
    with pytest.raises(UsageError, match=r"does not multiply bfloat16.*f32"):
        load_openvino(str(made), precision="bf16")


def test_prompts_and_limits_beside_it_hold(copy: Path):
    plain = load_openvino(str(copy))
    prompts = {"prompts": {"query": "leave: ", "document": ""}}
    (copy / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    encoder = load_openvino(str(copy))
    expected = plain.encode_passages(["leave: " + text for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), expected, atol=1e-6)


def test_what_is_wrong_is_named_with_what_to_do(copy: Path, tmp_path: Path):
    with pytest.raises(ModelNotFoundError, match=r"no .*openvino_model\.xml"):
        load_openvino(str(tmp_path))
    (copy / "openvino" / "openvino_model.bin").unlink()
    with pytest.raises(ModelNotFoundError, match=r"openvino_model\.bin lies beside it"):
        load_openvino(str(copy))
    (copy / "openvino" / "openvino_model.xml").write_text("no model")
    with pytest.raises(ModelNotFoundError, match="cannot be loaded"):
        load_openvino(str(copy))


def test_it_is_a_contender_that_changes_with_its_weights(copy: Path):
    contender = parse_contender(f"small=openvino:{copy}")
    before = fingerprints([contender])
    with (copy / "openvino" / "openvino_model.bin").open("r+b") as file:
        file.write(b"\1\2\3\4")
    assert fingerprints([contender]) != before


def test_two_folders_are_two_towers(made: Path, tmp_path: Path):
    for side, prompt in (("query", "leave: "), ("document", "")):
        folder = shutil.copytree(made, tmp_path / "both" / side)
        saved = {"prompts": {"query": prompt, "document": ""}}
        (folder / "config_sentence_transformers.json").write_text(json.dumps(saved))
    plain, both = load_openvino(str(made)), load_openvino(str(tmp_path / "both"))
    np.testing.assert_allclose(
        both.encode_queries(TEXTS), plain.encode_queries(["leave: " + t for t in TEXTS]), atol=1e-6
    )
    np.testing.assert_allclose(both.encode_passages(TEXTS), plain.encode_passages(TEXTS), atol=1e-6)
