"""The verbs that work: over a workspace, and over any dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from homing import progress
from homing.cli.main import app
from homing.cli.session import run_cli
from homing.pipeline import STAGES

PROMISED = "hit@1 hit@3 hit@5 hit@10 mrr@10 ndcg@10 map@100 recall@10 precision@5".split()


@pytest.fixture
def answer(capsys) -> Callable[..., Any]:
    """Run `homing … --json`; return the one object that it prints."""

    def run(*arguments: object, code: int = 0) -> Any:
        capsys.readouterr()
        found = run_cli(app, [*(str(argument) for argument in arguments), "--json"])
        captured = capsys.readouterr()
        assert found == code, captured.err
        return json.loads(captured.out)

    yield run
    progress.configure(quiet=False)


@pytest.fixture
def as_llamaindex(answer, finished, tmp_path) -> Callable[[str], Any]:
    """Write a split of the finished job as the JSON that LlamaIndex uses."""

    def convert(split: str):
        path = tmp_path / f"{split}.json"
        answer(
            *("dataset", "convert", finished.workspace, path),
            *("--to", "llamaindex", "--split", split),
        )
        return path

    return convert


def test_run_answers_with_where_things_are_and_what_came_out(answer, copied, capsys):
    found = answer("run", "--out", copied, "--quiet")
    assert capsys.readouterr().err == ""
    assert found["up_to_date"] is True
    assert found["model"] == str(copied / "model")
    assert list(found["stages"]) == list(STAGES)
    assert set(PROMISED) <= set(found["contenders"]["tuned"])


@pytest.mark.parametrize("verb", [name for name in STAGES if name != "ingest"])
def test_every_stage_is_a_verb_that_knows_when_it_is_up_to_date(answer, copied, verb):
    found = answer(verb, copied)
    assert (found["stage"], found["up_to_date"]) == (verb, True)


def test_stages_one_by_one_make_what_run_makes(answer, tmp_path, handbook, settings, finished):
    flags = [x for name, value in settings.items() for x in ("--set", f"{name}={value}")]
    ingested = answer("ingest", handbook, "--out", tmp_path / "tuned", *flags)
    assert ingested["n_passages"] == finished.stages["ingest"].summary["n_passages"]
    answer("write", tmp_path / "tuned")
    answer("curate", tmp_path / "tuned")
    answer("train", tmp_path / "tuned")
    evaluated = answer("evaluate", tmp_path / "tuned")
    assert evaluated["contenders"] == finished.stages["evaluate"].summary["contenders"]
    answer("report", tmp_path / "tuned")


def test_the_verdict_is_printed_for_people(copied, capsys, finished):
    assert run_cli(app, ["run", "--out", str(copied)]) == 0
    out = capsys.readouterr().out
    assert finished.verdict in out
    assert f"Report: {copied / 'report.html'}" in out


def test_training_and_evaluation_take_any_dataset(answer, as_llamaindex, tiny_model, tmp_path):
    trained = answer(
        *("train", as_llamaindex("train"), "--out", tmp_path / "model"),
        *("--base-model", tiny_model, "--batch-passages", 4, "--lr", 2e-3, "--epochs", 2),
    )
    assert trained["model"] == str(tmp_path / "model")
    assert trained["kept"] in ("tuned", "base")
    found = answer(
        *("evaluate", as_llamaindex("test"), "--out", tmp_path / "evaluation"),
        *("--contender", f"base={tiny_model}", "--contender", f"tuned={tmp_path / 'model'}"),
        *("--contender", "bm25=bm25", "--contender", "both=fusion(bm25,tuned)"),
    )
    assert list(found["contenders"]) == ["base", "tuned", "bm25", "both"]
    assert set(PROMISED) <= set(found["contenders"]["both"])
    table = json.loads((tmp_path / "test.json").read_text(encoding="utf-8"))
    assert found["n_queries"] == len(table["queries"]) > 5
    assert found["n_passages"] == len(table["corpus"]) > 20
    assert (tmp_path / "evaluation" / "evaluation.json").is_file()


def test_a_folder_with_other_things_does_not_become_a_model(answer, finished, tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    found = answer("train", finished.workspace, "--out", tmp_path, code=2)
    assert "holds no model" in found["error"]["message"]
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_workspaces_own_evaluation_takes_no_other_length(answer, copied):
    before = (copied / "homing.yaml").read_bytes()
    answer("evaluate", copied, "--max-tokens", 64, code=2)
    assert (copied / "homing.yaml").read_bytes() == before


def test_an_unknown_split_names_those_there_are(answer, finished):
    found = answer(
        "evaluate", finished.workspace, "--contender", "bm25=bm25", "--split", "exam", code=2
    )
    assert "train" in found["error"]["message"]


def test_a_fusion_of_nobody_is_wrong_usage(answer, finished):
    found = answer("evaluate", finished.workspace, "--contender", "f=fusion(bm25,ghost)", code=2)
    assert "ghost" in found["error"]["message"] or "bm25" in found["error"]["message"]


def test_a_base_model_that_is_nowhere_has_its_own_code(answer, finished, tmp_path):
    found = answer(
        *("train", finished.workspace, "--out", tmp_path / "model"),
        *("--base-model", "no-such/model"),
        code=7,
    )
    assert "no-such/model" in found["error"]["message"]
