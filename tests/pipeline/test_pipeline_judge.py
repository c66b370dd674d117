"""A language model judges what another one wrote, and finds what else answers it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from homing.dataset import (
    load_dataset,
    load_passages,
    load_questions,
    load_rejections,
    save_questions,
)
from homing.dataset.tables import read_table
from homing.llm.ledger import Ledger
from homing.llm.provider import ProviderError
from homing.llm.testing import Faults, TestServer
from homing.pipeline import Job, look_at_questions, open_job, run
from homing.pipeline.curation import curate_stage, load_audit
from homing.pipeline.fates import LABELS
from homing.pipeline.job import CACHE, EMBEDDINGS, PASSAGES, QUESTIONS
from homing.pipeline.judging import judge_base_url, judge_budget
from homing.pipeline.language_models import LEDGER
from homing.pipeline.writing import write_stage
from homing.settings import load_settings
from homing.types import Question, query_id

pytest.importorskip("openai")

KEY = "sk-of-nobody-456"
STEPS = ["form", "copied", "round_trip", "judge", "split"]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="module")
def written(tmp_path_factory, finished) -> Path:
    """A workspace in which a language model has written; nobody changes anything in it."""
    workspace = shutil.copytree(finished.workspace, tmp_path_factory.mktemp("written") / "tuned")
    shutil.rmtree(workspace / CACHE)
    with TestServer() as server:
        told = {"write.writer": "openai:test", "write.base_url": server.url}
        # To a model that has learned nothing all questions are alike, so likeness is not asked.
        told["curate.near_duplicate"] = 1.0
        with open_job(workspace, create=False, overrides=told) as job:
            write_stage(job)
    return workspace


@pytest.fixture
def workspace(tmp_path, written) -> Path:
    """A copy of it."""
    return shutil.copytree(written, tmp_path / "tuned")


def curate(workspace: Path, server: TestServer, **settings: Any) -> tuple[Mapping[str, Any], Job]:
    """Return the summary of curation with a judge at that server."""
    told = {"judge": "openai:judge", "judge_base_url": server.url}
    retry_failed = settings.pop("retry_failed", False)
    overrides = {f"curate.{name}": value for name, value in told.items()}
    overrides |= {name.replace("__", "."): value for name, value in settings.items()}
    with open_job(workspace, create=False, overrides=overrides) as job:
        return curate_stage(job, retry_failed=retry_failed).summary, job


@pytest.mark.slow
def test_from_documents_to_report_with_a_judge_and_again_for_nothing(tmp_path, handbook, settings):
    with TestServer(faults=Faults(error_500=0.05, cut=0.05)) as server:
        told = {
            **settings,
            "write.writer": "openai:test",
            "write.base_url": server.url,
            "curate.near_duplicate": 1.0,
            "curate.judge": "openai:judge",
            "curate.judge_threshold": 5,
        }
        outcome = run(handbook, out=tmp_path / "tuned", settings=told)
        n_paid = server.counts.answered
        again = run(handbook, out=tmp_path / "tuned", settings=told)
        assert server.counts.answered == n_paid > 0
        assert server.counts.n_repeated == 0
    assert not any(result.ran for result in again.stages.values())
    assert "the judge found" in outcome.report.read_text(encoding="utf-8")
    with Ledger(outcome.workspace / LEDGER) as ledger:
        assert ledger.spent(purpose="judge").n_calls > 0
    kept = [path for path in outcome.workspace.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in kept)


def test_every_written_question_is_kept_or_accounted_for(workspace):
    with TestServer() as server:
        summary, _ = curate(workspace, server)
    funnel = summary["funnel"]
    assert [step["filter"] for step in funnel["steps"]] == STEPS
    n_left = funnel["n_written"]
    assert n_left == len(load_questions(workspace / QUESTIONS))
    for step in funnel["steps"]:
        assert step["n_in"] == n_left
        n_left = step["n_out"]
        assert step["n_in"] - n_left == sum(step["reasons"].values())
    assert n_left == funnel["n_kept"] == load_dataset(workspace).n_queries > 0
    dropped = Counter(r.reason for r in load_rejections(workspace / "rejections/curate.parquet"))
    assert dropped == sum((Counter(step["reasons"]) for step in funnel["steps"]), Counter())
    assert dropped["judged_poor"] > 0
    assert summary["judge"]["n_unjudged"] == 0


def ask_across_passages(workspace: Path) -> None:
    """Let each question have more words of the passage after its own than of its own."""
    passages = load_passages(workspace / PASSAGES)
    questions = []
    for own, after in pairwise(passages):
        words = [*after.text.split()[:16], *own.text.split()[-2:]]
        text = f"Where do {' '.join(words)} meet?"
        questions.append(Question(text, own.id, "factual", "openai:test"))
    save_questions(questions, workspace / QUESTIONS)


def test_further_answers_are_in_the_dataset_and_the_splits_share_nothing(workspace):
    ask_across_passages(workspace)
    told = {"curate__judge_threshold": 1, "curate__copied": 1.0}
    with TestServer() as server:
        summary, job = curate(workspace, server, **told)
    answers, dataset = summary["funnel"]["answers"], load_dataset(workspace)
    several = [
        relevant
        for name in dataset.splits
        for relevant in dataset.split(name).values()
        if len(relevant) > 1
    ]
    assert answers["n_extra"] == sum(len(relevant) - 1 for relevant in several) > 0
    assert answers["n_extra"] == sum(answers["grades"].values())
    assert answers["grades"].keys() == {"1", "2"}
    assert answers["n_elsewhere"] > 0
    assert all(next(iter(relevant.values())) == 2 for relevant in several)
    assert load_audit(summary).clean
    with Ledger(job.path(LEDGER)) as ledger:
        assert ledger.spent(purpose="relevance").n_calls > 0


def test_without_several_answers_only_questions_are_judged(workspace):
    ask_across_passages(workspace)
    with TestServer() as server:
        told = {"curate__judge_threshold": 1, "curate__copied": 1.0}
        summary, job = curate(workspace, server, curate__several_answers=0, **told)
    with Ledger(job.path(LEDGER)) as ledger:
        assert ledger.spent(purpose="relevance").n_calls == 0
        assert ledger.spent(purpose="judge").n_calls == summary["judge"]["n_calls"] > 0
    assert summary["funnel"]["answers"]["n_extra"] == 0


def test_another_threshold_asks_nothing_again(workspace):
    with TestServer() as server:
        lax, _ = curate(workspace, server, curate__judge_threshold=1)
        n_paid = server.counts.answered
        strict, _ = curate(workspace, server, curate__judge_threshold=6)
        assert server.counts.answered == n_paid
    assert strict["judge"]["n_calls"] == 0
    assert strict["funnel"]["n_kept"] < lax["funnel"]["n_kept"]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"api_key": "sk-another"}, "OPENAI_API_KEY"),
        ({"models": ["test"]}, "judge"),
        ({"faults": Faults(quota=1.0)}, "openai:judge"),
    ],
)
def test_a_judge_that_can_never_answer_stops_before_anything_is_embedded(
    workspace, behaviour, words
):
    with TestServer(**behaviour) as server, pytest.raises(ProviderError) as error:
        curate(workspace, server)
    assert str(error.value).startswith("The judge openai:judge cannot be asked.")
    assert words in str(error.value)
    assert KEY not in str(error.value)
    assert not (workspace / EMBEDDINGS).exists()


def test_the_makers_own_judge_without_a_key_names_the_judges_option(workspace, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    overrides = {"curate.judge": "openai:gpt-5-mini", "curate.judge_base_url": None}
    overrides |= {"write.writer": "local:any", "curate.near_duplicate": 1.0}
    with (
        open_job(workspace, create=False, overrides=overrides) as job,
        pytest.raises(ProviderError, match="--judge-base-url"),
    ):
        curate_stage(job)


def test_what_could_not_be_judged_is_kept_until_it_is_tried_again(workspace):
    with TestServer(faults=Faults(wrong_content=1.0)) as server:
        summary, _ = curate(workspace, server)
        n_unjudged, port = summary["judge"]["n_unjudged"], server.port
    assert n_unjudged > 0
    judged = next(s for s in summary["funnel"]["steps"] if s["filter"] == "judge")
    assert judged["n_in"] == judged["n_out"]
    with TestServer(port=port) as server:
        curate(workspace, server)
        assert server.counts.answered == 0
        summary, _ = curate(workspace, server, retry_failed=True)
        assert server.counts.answered > 0
    assert summary["judge"]["n_unjudged"] == 0


def test_judging_stops_before_its_budget_is_passed_and_later_goes_on(workspace, monkeypatch):
    with TestServer() as server:
        monkeypatch.setattr("homing.llm.prices.is_nearby", lambda url: False)
        price = {"write__price": [100.0, 100.0]}
        summary, _ = curate(workspace, server, curate__judge_budget=0.5, **price)
        assert 0 < summary["judge"]["price_usd"] <= 0.5
        assert summary["judge"]["stopped_by_budget"]
        assert summary["judge"]["n_unjudged"] > 0
        more, job = curate(workspace, server, curate__judge_budget=500.0, **price)
        assert server.counts.n_repeated == 0
    assert more["judge"]["n_unjudged"] == 0
    with Ledger(job.path(LEDGER)) as ledger:
        spent = ledger.spent(provider="openai:judge").price_usd
    paid = summary["judge"]["price_usd"] + more["judge"]["price_usd"]
    assert spent == pytest.approx(paid)


def test_easy_questions_are_kept_and_labelled(workspace):
    with TestServer() as server:
        summary, _ = curate(workspace, server, curate__judge_threshold=1)
    easy = summary["funnel"]["too_easy"]
    labels = {row["_id"]: row["too_easy"] for row in read_table(workspace / LABELS)}
    assert labels.keys() == load_dataset(workspace).queries.keys()
    assert sum(row["n"] for row in easy) == sum(labels.values()) > 0
    assert sum(row["of"] for row in easy) == len(labels)
    seen = look_at_questions(workspace, sample=0).questions
    assert {query_id(q.question): q.too_easy for q in seen} == labels


def test_offline_questions_are_not_judged_and_need_no_key(copied: Path, monkeypatch, capsys):
    monkeypatch.delenv("OPENAI_API_KEY")
    with open_job(copied, create=False, overrides={"curate.judge": "openai:gpt-5-mini"}) as job:
        summary = curate_stage(job).summary
    assert "judge" not in summary
    assert "answers" not in summary["funnel"]
    assert [step["filter"] for step in summary["funnel"]["steps"]] == ["form", "split"]
    assert {row["writer"] for row in summary["funnel"]["too_easy"]} == {"extractive"}
    assert "the judge is not asked" in capsys.readouterr().err


def test_a_server_of_ones_own_serves_the_judge_too():
    writer = {"write.writer": "openai:qwen3-8b", "write.base_url": "http://localhost:8000/v1"}

    def asked_at(judge: str, **more: object) -> str | None:
        told = {**writer, "curate.judge": judge} | {
            k.replace("__", "."): v for k, v in more.items()
        }
        return judge_base_url(load_settings(None, told))

    assert asked_at("openai:qwen3-32b") == "http://localhost:8000/v1"
    assert asked_at("anthropic:claude-haiku-4-5") is None
    assert asked_at("openai:gpt-5-mini", write__writer="extractive") is None
    own = "http://localhost:9000/v1"
    assert asked_at("openai:qwen3-32b", curate__judge_base_url=own) == own


def test_judging_may_cost_as_many_dollars_again_as_writing():
    assert judge_budget(load_settings(None, {})) is None
    assert judge_budget(load_settings(None, {"write.budget": 5.0})) == 5.0
    told = {"write.budget": 5.0, "curate.judge_budget": 2.0}
    assert judge_budget(load_settings(None, told)) == 2.0
