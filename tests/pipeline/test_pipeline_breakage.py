"""What a workspace's evaluation tells beyond its own questions: costs, forgetting, drift."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from homing.cli.main import app
from homing.cli.session import run_cli
from homing.dataset import convert
from homing.errors import UsageError
from homing.evaluation.files import load_evaluation
from homing.pipeline import STAGES, evaluate_dataset, open_job
from homing.pipeline.breakage import with_costs
from homing.settings import load_settings
from homing.workspace import hash_file

FACTS = {
    "queries": {"q": "what moves the sea"},
    "corpus": {"a": "The moon pulls at the oceans.", "b": "Honey keeps for many years."},
    "relevant_docs": {"q": ["a"]},
}


def evaluate(folder, **overrides):
    """Run the stage again with other settings."""
    settings = {f"evaluate.{name}": value for name, value in overrides.items()}
    with open_job(folder, create=False, overrides=settings) as job:
        return STAGES["evaluate"](job)


@pytest.mark.slow
def test_a_workspace_learns_by_default_what_tuning_forgot_and_what_everything_costs(
    copied, finished
):
    result = evaluate(copied, general=["python-docs"], costs=True)
    saved = load_evaluation(copied / "evaluation")
    (found,) = saved.forgetting
    assert (found.name, found.measure, found.n_passages) == (
        *("Python documentation", "ndcg@10"),
        500,
    )
    assert 0 <= found.base <= 1
    assert found.difference.value == pytest.approx(found.tuned - found.base)
    assert saved.drift is not None
    assert saved.drift.must_rebuild == (finished.as_json()["kept"] == "tuned")
    assert -1 <= saved.drift.probe <= 1
    costs = with_costs(saved, result.summary["costs"]).costs
    assert list(costs) == list(saved.contenders)
    assert costs["tuned"].dimensions == 32
    assert all(cost.p50_ms > 0 and cost.index_bytes > 0 for cost in costs.values())
    again = evaluate(copied)
    assert again.summary["costs"] == result.summary["costs"]
    assert not again.ran


@pytest.mark.slow
def test_how_long_it_took_is_in_the_manifest_alone(copied):
    evaluate(copied, costs=True)
    saved = load_evaluation(copied / "evaluation")
    assert saved.costs == {}
    first = {p.name: hash_file(p) for p in (copied / "evaluation").iterdir()}
    (copied / "manifests" / "evaluate.json").unlink()
    result = evaluate(copied)
    assert result.ran
    assert {p.name: hash_file(p) for p in (copied / "evaluation").iterdir()} == first
    assert result.summary["costs"]["base"]["passages_per_s"] > 0


def test_the_report_shows_the_costs_that_the_manifest_keeps(copied):
    from homing.pipeline.reporting import STAGES_BEFORE, report_data

    evaluate(copied, costs=True)
    with open_job(copied, create=False) as job:
        manifests = {name: job.workspace.manifest(name) for name in STAGES_BEFORE}
        data = report_data(job, manifests)
    assert data.evaluation.costs["bm25"].index_bytes > 0
    old = manifests["evaluate"].summary.keys() - {"costs"}
    manifests["evaluate"] = replace(
        manifests["evaluate"], summary={k: manifests["evaluate"].summary[k] for k in old}
    )
    with open_job(copied, create=False) as job:
        assert report_data(job, manifests).evaluation.costs == {}


def test_what_is_the_users_own_data_is_no_general_set(copied, tmp_path):
    same = tmp_path / "same.json"
    convert(copied, same, to="llamaindex", split="test")
    evaluate(copied, general=[str(same)])
    saved = load_evaluation(copied / "evaluation")
    assert saved.forgetting == ()
    assert any("same.json" in note and "of your passages are in it" in note for note in saved.notes)


def test_a_general_set_that_changed_is_measured_again(copied, tmp_path):
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(FACTS))
    assert evaluate(copied, general=[str(facts)]).ran
    assert [f.name for f in load_evaluation(copied / "evaluation").forgetting] == ["facts.json"]
    assert not evaluate(copied).ran
    facts.write_text(json.dumps({**FACTS, "queries": {"q": "what lasts"}}))
    assert evaluate(copied).ran
    facts.unlink()
    with pytest.raises(UsageError, match=r"no general set.*facts\.json"):
        evaluate(copied)


def test_any_dataset_can_be_asked_about_a_pair_of_models(copied, tmp_path, tiny_model):
    own = tmp_path / "own.json"
    convert(copied, own, to="llamaindex", split="test")
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(FACTS))
    contenders = [f"base={tiny_model}", f"tuned={copied / 'model'}", "words=bm25"]
    out = tmp_path / "out"
    found = evaluate_dataset(own, contenders, general=[str(facts)], costs=True, out=out).evaluation
    assert [f.name for f in found.forgetting] == ["facts.json"]
    assert found.drift is not None
    assert list(found.costs) == ["base", "tuned", "words"]
    saved = load_evaluation(out)
    assert (saved.forgetting, saved.drift, saved.costs) == (
        *(found.forgetting, found.drift),
        found.costs,
    )
    plain = evaluate_dataset(own, contenders).evaluation
    assert (plain.forgetting, plain.drift, plain.costs) == ((), None, {})


def test_the_verb_takes_general_sets_and_costs_over_a_workspace_and_any_dataset(
    copied, tmp_path, tiny_model, capsys
):
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(FACTS))
    assert run_cli(app, ["evaluate", str(copied), "--general", str(facts), "--costs"]) == 0
    assert load_settings(copied / "homing.yaml").evaluate.general == (str(facts),)
    assert load_evaluation(copied / "evaluation").forgetting[0].name == "facts.json"
    pair = [f"base={tiny_model}", f"tuned={copied / 'model'}"]
    flags = [x for contender in pair for x in ("--contender", contender)]
    out = tmp_path / "out"
    command = ["evaluate", str(copied), *flags, "--general", str(facts), "--out", str(out)]
    assert run_cli(app, command) == 0
    saved = load_evaluation(out)
    assert saved.forgetting[0].name == "facts.json"
    assert saved.costs == {}
    assert run_cli(app, ["evaluate", str(copied), "--general", "nanobeir:Nothing"]) == 2
    assert "SciFact" in capsys.readouterr().err


def test_forgetting_needs_one_model_called_base_and_one_called_tuned(copied, tiny_model):
    with pytest.raises(UsageError, match="called tuned and one called base"):
        evaluate_dataset(copied, [f"old={tiny_model}", "words=bm25"], general=["python-docs"])


def test_words_have_nothing_to_forget_and_a_note_says_so(copied, tiny_model):
    contenders = [f"base={tiny_model}", "tuned=bm25"]
    found = evaluate_dataset(copied, contenders, general=["python-docs"]).evaluation
    assert found.forgetting == ()
    assert any("no embedding model" in note for note in found.notes)
