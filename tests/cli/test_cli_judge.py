"""`homing curate` with a judge, as it is typed."""

from __future__ import annotations

import pytest

from handbook_sentences import HANDBOOK
from homing.cli.overriding import judging, overrides, writing
from homing.llm.testing import TestServer
from homing.settings import load_settings
from homing.types import Question
from written_handbook import write_workspace


@pytest.fixture
def workspace(tmp_path):
    topics = list(HANDBOOK)
    questions = [
        Question(
            f"Who decides about {' '.join(HANDBOOK[t].split()[2:6])} at {t}?", t, "factual", "x"
        )
        for t in topics
    ]
    return write_workspace(tmp_path / "tuned", questions)


@pytest.fixture
def options(tiny_model):
    told = (f"train.base_model={tiny_model}", "curate.near_duplicate=1.0", "curate.copied=1.0")
    return [part for name in told for part in ("--set", name)]


def test_a_judge_is_asked_once_and_again_when_told_to(homing, workspace, options, monkeypatch):
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    with TestServer() as server:
        judge = ("--judge", "openai:judge", "--judge-base-url", server.url)
        more = ("--judge-threshold", 2, "--several-answers", 1, "--json")
        done = homing("curate", workspace, *judge, *more, *options)
        assert done.code == 0, done.err
        assert done.json["judge"]["n_calls"] == server.counts.answered > 0
        assert homing("curate", workspace, "--json").json["up_to_date"]
        again = homing("curate", workspace, "--retry-failed", "--json")
    assert not again.json["up_to_date"]
    assert again.json["judge"]["n_calls"] == 0
    assert again.json["funnel"] == done.json["funnel"]


def test_a_judge_that_is_none_is_refused_before_any_work(homing, workspace):
    done = homing("curate", workspace, "--judge", "gpt-5-mini")
    assert done.code == 2
    assert "'openai:gpt-5-mini', or null" in done.err


def test_a_key_that_is_not_let_in_ends_with_its_own_code(homing, workspace, options, monkeypatch):
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    with TestServer(api_key="sk-another") as server:
        judge = ("--judge", "openai:judge", "--judge-base-url", server.url)
        done = homing("curate", workspace, *judge, *options)
    assert done.code == 8
    assert "OPENAI_API_KEY" in done.err
    assert "sk-of-nobody" not in done.err


def test_flags_of_writing_and_judging_reach_their_settings():
    flags = overrides(
        **writing(
            writer="openai:gpt-5-mini",
            base_url=None,
            max_passages=7,
            prompt="quiz",
            examples=None,
            budget=5.0,
            batch=True,
            ledger=None,
        ),
        **judging(
            judge="anthropic:claude-haiku-4-5",
            base_url=None,
            threshold=8,
            budget=2.0,
            several_answers=0,
        ),
    )
    settings = load_settings(None, flags)
    write, curate = settings.write, settings.curate
    assert (write.writer, write.max_passages, write.prompt) == ("openai:gpt-5-mini", 7, "quiz")
    assert (write.budget, write.batch, write.ledger) == (5.0, True, None)
    assert (curate.judge, curate.judge_threshold) == ("anthropic:claude-haiku-4-5", 8)
    assert (curate.judge_budget, curate.several_answers) == (2.0, 0)
