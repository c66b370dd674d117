"""docs/migrate.md from top to bottom, and datasets of LlamaIndex's own class, there and back."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from guides import commands, python_blocks, run_block

from homing.cli.main import app
from homing.cli.session import run_cli
from homing.dataset import convert, load_dataset
from homing.errors import UsageError
from written_handbook import curate_workspace, write_workspace

PAGE = "migrate.md"
HANDBOOK = Path(__file__).parents[1] / "reporting/handbook.txt"
BASE = "all-MiniLM-L6-v2"


def handbook_dataset(first: int, step: int = 2) -> dict[str, Any]:
    """Return every second section of the handbook with its questions, as the notebooks save it."""
    content: dict[str, Any] = {"queries": {}, "corpus": {}, "relevant_docs": {}}
    blocks = HANDBOOK.read_text(encoding="utf-8").strip().split("\n# ")[1:]
    for number, block in list(enumerate(blocks))[first::step]:
        _, *lines = block.strip().splitlines()
        text = " ".join(line for line in lines if not line.startswith("? "))
        content["corpus"][f"node-{number}"] = text
        for place, line in enumerate(line for line in lines if line.startswith("? ")):
            content["queries"][f"q-{number}-{place}"] = line[2:]
            content["relevant_docs"][f"q-{number}-{place}"] = [f"node-{number}"]
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page starts from: two files of the notebooks, and a workspace."""
    folder = tmp_path_factory.mktemp("migrate")
    write_json(folder / "train_dataset.json", handbook_dataset(0))
    write_json(folder / "val_dataset.json", handbook_dataset(1))
    settings = {"train.base_model": str(tiny_model), "curate.round_trip": None}
    curate_workspace(write_workspace(folder / "tuned"), **settings)
    return folder


@pytest.mark.slow
def test_every_command_of_the_page_runs(
    folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for command in commands(PAGE):
        quick = [part.replace(f"base={BASE}", f"base={tiny_model}") for part in command]
        if quick[0] == "train":
            quick += ["--base-model", str(tiny_model)]
        assert run_cli(app, quick) == 0, command
    assert read_json(folder / "again.json") == {
        **read_json(folder / "train_dataset.json"),
        "mode": "text",
    }
    with (folder / "results/published.csv").open(encoding="utf-8") as file:
        rows = {row["contender"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"base", "tuned", "words", "both"}
    assert all(row["hit_rate@5"] == row["cosine-Accuracy@5"] for row in rows.values())
    assert set(read_json(folder / "train.json")) == {"queries", "corpus", "relevant_docs", "mode"}


@pytest.mark.slow
def test_the_code_of_the_page_runs(
    folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("homing.pipeline.training.EMBEDDED_MODEL", str(tiny_model))
    variables: dict[str, Any] = {}
    printed = [run_block(code, variables) for code in python_blocks(PAGE)]
    n_passages = len(handbook_dataset(0)["corpus"])
    assert printed[0].startswith(f"{n_passages} passages,")
    rates = {name: float(rate) for name, rate in re.findall(r"(\w+): hit rate (\S+)", printed[1])}
    for name, rate in rates.items():
        measured = variables["evaluation"].contenders[name].measures["hit@5"]
        assert rate == pytest.approx(measured, abs=5e-4)
    assert set(rates) == {"base", "tuned", "words"}


@pytest.mark.parametrize("between", ["mteb", "beir"])
def test_a_dataset_of_the_notebooks_comes_back_as_it_was(tmp_path: Path, between: str) -> None:
    content = handbook_dataset(0, 1)
    content["queries"]["unanswered"] = "Größe der Boote\nin m²?"
    content["relevant_docs"]["unanswered"] = []
    first, second = list(content["corpus"])[:2]
    content["relevant_docs"]["q-1-0"] = [second, first]
    source = write_json(tmp_path / "train.json", content)
    convert(source, tmp_path / "middle", to=between)
    convert(tmp_path / "middle", tmp_path / "back.json", to="llamaindex")
    back = read_json(tmp_path / "back.json")
    assert back.pop("mode") == "text"
    assert back == content
    for key in content:
        assert list(back[key]) == list(content[key]), "the order, too"


def test_the_real_experiments_files_come_back_as_they_were(
    shared_data: Path, tmp_path: Path
) -> None:
    for source in sorted((shared_data / "sec10k").rglob("*_dataset.json")):
        convert(source, tmp_path / "middle", to="mteb")
        convert(tmp_path / "middle", tmp_path / "back.json", to="llamaindex")
        assert read_json(tmp_path / "back.json") == {"mode": "text", **read_json(source)}


def test_llama_indexes_own_class_reads_what_we_write_and_we_what_it_writes(tmp_path: Path) -> None:
    dataset_class = _its_dataset_class()
    theirs = dataset_class(**handbook_dataset(0))
    theirs.save_json(str(tmp_path / "theirs.json"))
    convert(tmp_path / "theirs.json", tmp_path / "ours.json", to="llamaindex")
    again = dataset_class.from_json(str(tmp_path / "ours.json"))
    assert again == theirs
    assert read_json(tmp_path / "ours.json") == read_json(tmp_path / "theirs.json")
    pairs = load_dataset(tmp_path / "theirs.json").split("all")
    by_them = dict(again.query_docid_pairs)
    queries = theirs.queries
    assert {queries[key]: list(grades) for key, grades in pairs.items()} == by_them


def test_a_dataset_of_images_is_refused(tmp_path: Path) -> None:
    source = write_json(tmp_path / "qa.json", {**handbook_dataset(0), "mode": "image"})
    with pytest.raises(UsageError, match="mode 'image'"):
        load_dataset(source)


def _its_dataset_class() -> Any:
    """Return `EmbeddingQAFinetuneDataset`, from its file: its package wants what cannot be here."""
    namespace = importlib.util.find_spec("llama_index")
    places = namespace.submodule_search_locations if namespace else None
    found = [Path(place) / "finetuning/embeddings/common.py" for place in places or ()]
    file = next((path for path in found if path.is_file()), None)
    if file is None:
        pytest.skip("needs: pip install --no-deps llama-index-finetuning")
    spec = importlib.util.spec_from_file_location("finetuning_common", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EmbeddingQAFinetuneDataset
