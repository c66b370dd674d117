"""A reranker from the CLI's door: beside a workspace, never in it, and compared as a contender."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homing.cli.main import app
from homing.cli.session import run_cli
from homing.errors import UsageError
from homing.pipeline import run, train_dataset
from homing.training import reranker_saving
from homing.training.reranker_saving import NOT_BETTER

SMALL = {
    "train.recipe": "reranker",
    "train.epochs": 1,
    "train.reranker.max_tokens": 48,
    "train.reranker.depth": 5,
    "curate.dev_fraction": 0.3,
}


def test_the_folder_of_what_did_not_help_has_one_name() -> None:
    assert NOT_BETTER == reranker_saving.NOT_BETTER


def test_a_workspace_refuses_it_before_anything_is_done(handbook, tmp_path) -> None:
    with pytest.raises(UsageError, match="--out RERANKER"):
        run(handbook, out=tmp_path / "w", settings={"train.recipe": "reranker"})
    assert not (tmp_path / "w" / "documents").exists()


def test_it_is_trained_beside_a_workspace_and_compared_there(
    finished, tiny_model, tmp_path, capsys
) -> None:
    out = tmp_path / "reranker"
    settings = {**SMALL, "train.base_model": str(tiny_model)}
    result = train_dataset(finished.workspace, out, overrides=settings)
    log = result.summary["log"]
    assert f"{log['dev'][0][1]:.3f}" in result.text
    assert "of the mined candidates passed over" in result.text
    folder = out if result.summary["model"] else out / "not-better"
    assert (result.summary["kept"] == "tuned") == (folder == out)
    assert (f"No model in {out}" in result.text) == (folder != out)
    capsys.readouterr()
    arguments = ["evaluate", str(finished.workspace), "--out", str(tmp_path / "results")]
    for contender in (
        f"base={tiny_model}",
        "words=bm25",
        "first=fusion(words,base,z)",
        f"read=rerank(first,{folder},5)",
    ):
        arguments += ["--contender", contender]
    assert run_cli(app, [*arguments, "--no-costs", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert set(measured["contenders"]) >= {"first", "read"}


def test_run_again_it_may_replace_what_did_not_help(finished, tiny_model, tmp_path) -> None:
    out: Path = tmp_path / "reranker"
    (out / "not-better").mkdir(parents=True)
    (out / "README.md").write_text("# Not to be deployed", encoding="utf-8")
    settings = {**SMALL, "train.base_model": str(tiny_model)}
    assert train_dataset(finished.workspace, out, overrides=settings).ran
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="holds no model"):
        train_dataset(finished.workspace, tmp_path / "other", overrides=settings)
