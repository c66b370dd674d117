"""A language model writes for the whole job: paid for once, whatever the server does."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.dataset import load_dataset
from homing.errors import UsageError
from homing.llm.testing import Faults, TestServer
from homing.pipeline import open_job, run
from homing.pipeline.llm_writing import describe_estimate, estimate_writing

KEY = "sk-of-nobody-123"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def asking(server: TestServer, settings: dict[str, object]) -> dict[str, object]:
    # To a model that has learned nothing all questions are alike, so likeness is not asked.
    filters = {"curate.copied": 1.0, "curate.near_duplicate": 1.0, "curate.round_trip": 0}
    writer = {"write.writer": "openai:test", "write.base_url": server.url}
    return {**settings, **filters, **writer}


@pytest.mark.slow
def test_from_documents_to_report_with_faults_and_again_for_nothing(tmp_path, handbook, settings):
    with TestServer(faults=Faults.mixed(0.05, slow_s=0.05)) as server:
        outcome = run(handbook, out=tmp_path / "tuned", settings=asking(server, settings))
        n_paid = server.counts.answered
        again = run(handbook, out=tmp_path / "tuned", settings=asking(server, settings))
        assert server.counts.answered == n_paid > 0
    assert outcome.report.is_file()
    assert not any(result.ran for result in again.stages.values())
    dataset = load_dataset(outcome.workspace)
    assert {query.writer for query in dataset.queries.values()} == {"openai:test"}
    kept = [path for path in outcome.workspace.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in kept)


@pytest.mark.slow
def test_a_new_document_pays_for_itself_alone(tmp_path, handbook, settings):
    with TestServer() as server:
        told = asking(server, settings) | {"write.neighbours": False}
        run(handbook, out=tmp_path / "tuned", settings=told)
        n_before = server.counts.answered
        (handbook / "parrots.md").write_text(
            "# Parrots\n\nParrots may sail with us once they have passed the swimming test.\n",
            encoding="utf-8",
        )
        run(handbook, out=tmp_path / "tuned", settings=told)
        assert server.counts.answered == n_before + 1


def test_planning_sends_nothing_and_changes_no_settings(copied: Path, settings):
    before = (copied / "homing.yaml").read_bytes()
    with TestServer() as server:
        told = asking(server, settings)
        with open_job(copied, create=False, overrides=told, keep_settings=False) as job:
            found = estimate_writing(job)
        assert server.counts.requests == 0
    assert (copied / "homing.yaml").read_bytes() == before
    assert found["n_calls"] == found["n_passages"] > 0
    assert found["input_tokens"] > 100 * found["n_calls"]
    assert "Nothing was sent" in describe_estimate(found)


def test_the_offline_writer_has_nothing_to_plan(copied: Path):
    with open_job(copied, create=False) as job, pytest.raises(UsageError, match="costs nothing"):
        estimate_writing(job)
