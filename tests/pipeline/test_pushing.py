"""A tuned model goes to the hub whole, privately, in one commit, and comes back the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homing.errors import (
    HubError,
    ModelNotFoundError,
    NothingToDoError,
    UsageError,
    WorkspaceBusyError,
)
from homing.evaluation.files import load_evaluation, save_evaluation
from homing.pipeline.exporting import export_model
from homing.pipeline.pushing import push_model
from homing.types import Verdict
from homing.workspace import Workspace
from local_hub import TOKEN, LocalHub, local_hub

HERE = "hub:me/handbook-minilm"
HUB_ID = "me/handbook-minilm"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A hub that the real client library talks to, with a token that it takes."""
    from huggingface_hub import constants

    with local_hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture
def workspace(copied: Path) -> Path:
    """A finished job whose evaluation found the tuned model better."""
    return decide(copied, "deploy")


def decide(workspace: Path, decision: str) -> Path:
    """Give a workspace another verdict, and a training that kept what it tuned."""
    verdict = Verdict(decision, "tuned", f"The word is {decision}.", ("Because.",), None, False)
    folder = workspace / "evaluation"
    save_evaluation(replace(load_evaluation(folder), verdict=verdict), folder)
    keep(workspace, "tuned")
    return workspace


def keep(workspace: Path, what: str) -> None:
    manifest = workspace / "manifests/train.json"
    record = json.loads(manifest.read_text("utf-8"))
    record["summary"]["log"]["kept"] = what
    manifest.write_text(json.dumps(record), "utf-8")


@pytest.fixture
def exporting(workspace: Path) -> Path:
    """The same with an export in it."""
    export_model(workspace, "safetensors", allowed_loss=100.0)
    return workspace


def test_every_file_of_the_model_arrives_in_one_commit(hub: LocalHub, workspace: Path) -> None:
    pushed = push_model(workspace, HERE, message="For the handbook")
    assert pushed.uploaded is not None
    repository = hub.repositories[HUB_ID]
    assert list(repository.commits)[1:] == [pushed.uploaded.commit]
    assert repository.messages[pushed.uploaded.commit] == "For the handbook"
    for path in (workspace / "model").rglob("*"):
        name = path.relative_to(workspace / "model").as_posix()
        if path.is_file() and name != "README.md":
            assert hub.read(HUB_ID, name) == path.read_bytes()
    assert pushed.uploaded.url == f"{hub.url}/{HUB_ID}"


def test_what_arrives_is_private_unless_it_was_said_otherwise(
    hub: LocalHub, workspace: Path
) -> None:
    push_model(workspace, HERE)
    push_model(workspace, "hub:me/open", private=False)
    assert hub.repositories[HUB_ID].private
    assert not hub.repositories["me/open"].private


def test_a_public_repository_gets_nothing_unasked(hub: LocalHub, workspace: Path) -> None:
    push_model(workspace, HERE, private=False)
    n_commits = len(hub.repositories[HUB_ID].commits)
    with pytest.raises(HubError, match=r"everybody can read it.*--public"):
        push_model(workspace, HERE)
    assert len(hub.repositories[HUB_ID].commits) == n_commits


def test_the_same_model_again_makes_no_commit(hub: LocalHub, workspace: Path) -> None:
    first, second = (push_model(workspace, HERE).uploaded for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.is_new, second.is_new) == (True, False)
    assert first.commit == second.commit


def test_exports_go_along_when_asked_and_old_ones_go_away(hub: LocalHub, exporting: Path) -> None:
    name = "exported/safetensors/model.safetensors"
    push_model(exporting, HERE)
    with pytest.raises(KeyError):
        hub.read(HUB_ID, name)
    push_model(exporting, HERE, with_exports=True)
    assert hub.read(HUB_ID, name) == (exporting / name).read_bytes()
    card = hub.read(HUB_ID, "README.md").decode()
    assert "| safetensors |" in card.split("## Exports")[1]
    assert (
        f'SentenceTransformer("{HUB_ID}")'
        in hub.read(HUB_ID, "exported/safetensors/README.md").decode()
    )
    again = push_model(exporting, HERE)
    assert again.uploaded is not None
    assert name in again.uploaded.removed
    with pytest.raises(KeyError):
        hub.read(HUB_ID, name)
    assert "## Exports" not in hub.read(HUB_ID, "README.md").decode()
    assert hub.read(HUB_ID, ".gitattributes")


def test_the_exports_of_another_model_stay_here(
    hub: LocalHub, exporting: Path, tiny_model: Path
) -> None:
    shutil.copy(tiny_model / "model.safetensors", exporting / "model/model.safetensors")
    config = exporting / "model/config_sentence_transformers.json"
    saved = json.loads(config.read_text("utf-8"))
    saved["prompts"] = {"query": "ask: ", "document": ""}
    config.write_text(json.dumps(saved), "utf-8")
    with pytest.raises(UsageError, match="exported from another model"):
        push_model(exporting, HERE, with_exports=True)
    assert hub.asked == []


def test_a_branch_is_made_where_it_is_named(hub: LocalHub, workspace: Path) -> None:
    push_model(workspace, HERE, revision="winter")
    assert hub.read(HUB_ID, "modules.json", "winter")
    with pytest.raises(KeyError):
        hub.read(HUB_ID, "modules.json")


def test_the_card_at_the_hub_loads_the_model_from_there(hub: LocalHub, workspace: Path) -> None:
    push_model(workspace, HERE)
    card = hub.read(HUB_ID, "README.md").decode()
    assert f'SentenceTransformer("{HUB_ID}")' in card
    assert f'model_name="{HUB_ID}"' in card
    assert f"{workspace.name}/model" not in card


def test_the_hubs_own_reader_takes_the_card(hub: LocalHub, workspace: Path) -> None:
    from huggingface_hub import ModelCard

    push_model(workspace, HERE)
    card = ModelCard(hub.read(HUB_ID, "README.md").decode(), ignore_metadata_errors=False)
    results = card.data.eval_results
    assert {result.metric_type for result in results} == {"hit_at_5", "ndcg_at_10", "mrr_at_10"}
    assert all(0 <= result.metric_value <= 1 for result in results)
    assert all(result.dataset_split == "test" for result in results)
    assert card.data.library_name == "sentence-transformers"
    assert "homing run --config" in card.text
    versions = json.loads((workspace / "manifests/train.json").read_text("utf-8"))["versions"]
    assert f"| torch | {versions['torch']} |" in card.text


def test_a_dry_run_lists_all_and_asks_nobody(
    hub: LocalHub, exporting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    pushed = push_model(exporting, HERE, with_exports=True, dry_run=True)
    assert pushed.uploaded is None
    assert hub.asked == []
    assert "exported/safetensors/parity.json" in pushed.files
    for path in (exporting / "model").rglob("*.safetensors"):
        name = path.relative_to(exporting / "model").as_posix()
        assert pushed.files[name] == path.stat().st_size
    assert pushed.n_bytes == sum(pushed.files.values())


def test_what_is_no_part_of_a_model_stays_here(hub: LocalHub, workspace: Path) -> None:
    (workspace / "model/passages.parquet").write_bytes(b"text")
    (workspace / "model/.cache").mkdir()
    (workspace / "model/.cache/x.json").write_text("{}", "utf-8")
    (workspace / "model/bundle").mkdir()
    (workspace / "model/bundle/bundle.json").write_text("{}", "utf-8")
    pushed = push_model(workspace, HERE, dry_run=True)
    assert set(pushed.left_out) == {"passages.parquet", ".cache/x.json", "bundle/bundle.json"}
    assert not set(pushed.left_out) & set(pushed.files)


def test_words_of_the_documents_stop_the_push(hub: LocalHub, workspace: Path) -> None:
    from homing.dataset import load_dataset

    passage = max(load_dataset(workspace).corpus.values(), key=lambda p: len(p.text))
    (workspace / "model/notes.txt").write_text(f"see:\n{passage.text}", "utf-8")
    with pytest.raises(UsageError, match=r"notes\.txt holds words of your documents"):
        push_model(workspace, HERE)
    assert hub.asked == []
    assert push_model(workspace, HERE, anyway=True, dry_run=True).files["notes.txt"]


def test_a_verdict_against_the_model_stops_the_push(hub: LocalHub, workspace: Path) -> None:
    decide(workspace, "keep base")
    with pytest.raises(NothingToDoError, match="The word is keep base"):
        push_model(workspace, HERE)
    keep(workspace, "base")
    with pytest.raises(NothingToDoError, match="holds the base model itself"):
        push_model(workspace, HERE)
    assert hub.asked == []
    assert push_model(workspace, HERE, anyway=True).uploaded is not None


def test_a_workspace_without_a_card_or_a_model_is_not_pushed(workspace: Path) -> None:
    (workspace / "model/README.md").unlink()
    with pytest.raises(UsageError, match="no model card"):
        push_model(workspace, HERE)
    shutil.rmtree(workspace / "model")
    with pytest.raises(ModelNotFoundError, match="homing train"):
        push_model(workspace, HERE)
    with pytest.raises(ModelNotFoundError, match="neither a workspace"):
        push_model(workspace / "documents", HERE)


def test_exports_that_are_not_there_are_not_promised(workspace: Path) -> None:
    with pytest.raises(UsageError, match="homing export"):
        push_model(workspace, HERE, with_exports=True)


def test_the_folder_of_a_model_alone_goes_as_it_is(hub: LocalHub, tiny_model: Path) -> None:
    pushed = push_model(tiny_model, HERE)
    names = {p.relative_to(tiny_model).as_posix() for p in tiny_model.rglob("*") if p.is_file()}
    assert set(pushed.files) == names
    assert hub.read(HUB_ID, "modules.json") == (tiny_model / "modules.json").read_bytes()


def test_a_workspace_in_which_a_job_works_is_left_alone(hub: LocalHub, workspace: Path) -> None:
    with Workspace(workspace), pytest.raises(WorkspaceBusyError):
        push_model(workspace, HERE)
    assert hub.asked == []


@pytest.mark.parametrize("target", ["me/x", "hub:x", "hub:a/b/c", "hub:me/", "hub:me/a b", "hub:"])
def test_what_is_no_hub_id_is_said_before_anything_else(target: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hub:OWNER/NAME"):
        push_model(tmp_path, target)


@pytest.mark.parametrize(
    ("where", "status", "remedy"),
    [
        (("POST", "/create"), 500, "again later"),
        (("POST", "/commit"), 409, "Somebody else changed"),
        (("POST", "/commit"), 403, "right to write"),
        (("POST", "/preupload"), 404, "no me/handbook-minilm that this token may see"),
        (("POST", "/preupload"), 413, "HTTP 413"),
        (("PUT", "/lfs"), 403, "right to write|broke off"),
    ],
)
def test_what_the_hub_refuses_is_said_with_the_remedy(
    hub: LocalHub, workspace: Path, where: tuple[str, str], status: int, remedy: str
) -> None:
    hub.go_wrong[where] = status
    with pytest.raises(HubError, match=remedy) as caught:
        push_model(workspace, HERE)
    assert TOKEN not in str(caught.value)
    if HUB_ID in hub.repositories:
        assert len(hub.repositories[HUB_ID].commits) == 1, "nothing of it is there"


def test_a_wrong_token_a_missing_one_and_anothers_name_are_told_apart(
    hub: LocalHub, workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    with pytest.raises(HubError, match=r"an owner that is you .* instead of 'you'"):
        push_model(workspace, "hub:you/handbook")
    monkeypatch.setenv("HF_TOKEN", "hf_secret_but_wrong")
    with pytest.raises(HubError, match="does not know the token") as caught:
        push_model(workspace, HERE)
    assert "hf_secret" not in str(caught.value)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "nones"))
    hub.asked.clear()
    with pytest.raises(HubError, match="hf auth login"):
        push_model(workspace, HERE)
    assert hub.asked == []


def test_without_a_network_it_says_so(
    hub: LocalHub, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        push_model(workspace, HERE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="cannot be reached"):
        push_model(workspace, HERE)


@pytest.mark.slow
def test_from_the_command_line_and_back_the_vectors_are_the_same(
    workspace: Path, tmp_path: Path
) -> None:
    with local_hub() as hub:
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": TOKEN,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(tmp_path / "cache"),
        }
        push = [sys.executable, "-m", "homing", "push", str(workspace), HERE]
        sent = subprocess.run(push, env=environment, capture_output=True, text=True, check=False)
        assert sent.returncode == 0, sent.stderr
        where = re.escape(f"{hub.url}/{HUB_ID} (private)")
        assert re.search(rf"Sent \d+ files, .*: {where}", sent.stdout)
        assert TOKEN not in sent.stdout + sent.stderr
        load = (
            "import json, sys; from sentence_transformers import SentenceTransformer as Model\n"
            "model = Model(sys.argv[1], device='cpu')\n"
            "sides = model.encode_query('who rigs'), model.encode_document('the boat is rigged')\n"
            "print(json.dumps([side.tolist() for side in sides]))"
        )
        both = []
        for name in (HUB_ID, str(workspace / "model")):
            command = [sys.executable, "-c", load, name]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            both.append(np.array(json.loads(done.stdout.splitlines()[-1])))
        tip = hub.repositories[HUB_ID].tip("main")
        assert ("GET", f"/{HUB_ID}/resolve/{tip}/model.safetensors") in hub.asked
    np.testing.assert_array_equal(both[0], both[1])
