"""`homing export`, as it is typed: made, tried, refused, left as it is; and its documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.deployment import exporting, quantising

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
DOCS = Path(__file__).parents[2] / "docs" / "export.md"


def noisy(file: Path) -> None:
    """Add noise to every weight of a graph."""
    model = onnx.load(str(file))
    rng = np.random.default_rng(0)
    for value in model.graph.initializer:
        array = onnx.numpy_helper.to_array(value)
        if array.dtype == np.float32 and array.size > 100:
            spoilt = (array + 3 * rng.standard_normal(array.shape)).astype(np.float32)
            value.CopyFrom(onnx.numpy_helper.from_array(spoilt, value.name))
    onnx.save(model, str(file))


@pytest.mark.slow
def test_it_is_made_tried_and_left_as_it_is(homing, tiny_model, handbook_json, tmp_path):
    out = tmp_path / "exported"
    command = (
        "export",
        tiny_model,
        "--to",
        "onnx,onnx-int8",
        "--out",
        out,
        "--dataset",
        handbook_json,
    )
    done = homing(*command, "--allowed-loss", 100, "--json")
    assert done.code == 0, done.err
    first, second = done.json["exports"]
    assert (first["format"], second["format"]) == ("onnx", "onnx-int8")
    assert first["parity"]["questions"]["least"] > 0.99999
    assert first["parity"]["ranking"]["difference"]["value"] == 0.0
    assert second["parity"]["passages"]["least"] > 0.99
    assert sorted(path.name for path in out.iterdir()) == ["onnx", "onnx-int8"]
    saved = json.loads((out / "onnx" / "parity.json").read_text())
    assert saved["measured_on"] == "the dataset's all questions"
    assert "nDCG@10 on" in (out / "onnx" / "README.md").read_text()
    again = homing(*command, "--allowed-loss", 100, "--json").json
    assert [export["up_to_date"] for export in again["exports"]] == [True, True]
    (out / "onnx" / "tokenizer.json").write_text("{}")
    mended = homing(*command, "--allowed-loss", 100, "--json").json
    assert [export["up_to_date"] for export in mended["exports"]] == [False, True]
    run_the_documented_lines(out, tiny_model)


def run_the_documented_lines(out: Path, model: Path) -> None:
    """Run the lines of docs/export.md on an export; they give the model's own vectors."""
    from homing.retrieval.encoders import SentenceTransformerEncoder
    from homing.retrieval.models import load_sentence_transformer

    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for line in code.splitlines() if line.strip() and "import" not in line]
    assert len(lines) <= 20
    names: dict = {}
    exec(code.replace("exported/onnx-int8", str(out / "onnx")), names)
    texts = [*HANDBOOK.values(), "", " ".join(HANDBOOK.values())]
    original = SentenceTransformerEncoder(
        load_sentence_transformer(str(model), device="cpu"), bf16=False
    )
    np.testing.assert_allclose(
        names["embed"](texts, "document"), original.encode_passages(texts), atol=1e-5
    )
    asked = ["How long is parental leave?"]
    np.testing.assert_allclose(names["questions"], original.encode_queries(asked), atol=1e-5)


@pytest.mark.slow
def test_one_that_loses_too_much_is_refused_with_its_figure_and_the_others_stay(
    homing, tiny_model, handbook_json, tmp_path, monkeypatch
):
    def broken(source: Path, target: Path) -> None:
        quantising.quantise_dynamic(source, target)
        noisy(target)

    monkeypatch.setattr(exporting, "quantise_dynamic", broken)
    out = tmp_path / "exported"
    done = homing(
        "export",
        tiny_model,
        "--to",
        "onnx-int8,onnx",
        "--out",
        out,
        "--dataset",
        handbook_json,
        "--json",
    )
    assert done.code == 1
    assert done.json["error"]["kind"] == "ExportError"
    message = done.json["error"]["message"]
    figure = re.search(r"onnx-int8 was not handed over: it loses ([\d.]+) points", message)
    assert figure is not None
    assert float(figure[1]) > 0.5
    assert message.endswith(f"The others are in {out}: onnx.")
    assert [path.name for path in out.iterdir()] == ["onnx"]


def test_a_format_that_is_not_known_is_named(homing, tiny_model, tmp_path):
    done = homing("export", tiny_model, "--to", "gguf", "--out", tmp_path / "x")
    assert done.code == 2
    assert "'gguf' is no format" in done.err
    assert not (tmp_path / "x").exists()


def test_a_model_that_is_not_there_is_said(homing, tmp_path):
    done = homing("export", tmp_path / "none", "--to", "onnx", "--out", tmp_path / "x")
    assert done.code == 7
    assert "no model folder" in done.err


def test_a_workspace_without_a_model_says_what_to_run(homing, tmp_path):
    from homing.workspace import Workspace

    with Workspace(tmp_path / "tuned"):
        pass
    done = homing("export", tmp_path / "tuned")
    assert done.code == 2
    assert "First run: homing train" in done.err


def test_a_folder_with_something_else_is_left_alone(homing, tiny_model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = homing("export", tiny_model, "--to", "onnx", "--out", tmp_path)
    assert done.code == 2
    assert "holds something else (notes.txt)" in done.err
    (tmp_path / "out" / "onnx").mkdir(parents=True)
    done = homing("export", tiny_model, "--to", "onnx", "--out", tmp_path / "out")
    assert done.code == 2
    assert "no export that Homing made" in done.err


def test_a_static_model_needs_none(homing, static_model, tmp_path):
    done = homing("export", static_model, "--to", "onnx", "--out", tmp_path / "x")
    assert done.code == 2
    assert "needs no export" in done.err
