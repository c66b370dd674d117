"""The pool of all contenders' top results before a judge, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.dataset import Dataset
from homing.evaluation.contenders import Contender
from homing.evaluation.evaluate import evaluate
from homing.evaluation.unjudged import pool
from homing.llm.testing import Faults, TestServer
from homing.pipeline.language_models import open_model
from homing.pipeline.pooling import with_unjudged
from homing.settings import WriteSettings
from homing.types import Evaluation, Passage, Qrel, Query

pytest.importorskip("openai")

TEXTS = {
    "leave": "Parents take sixteen weeks of parental leave after a birth.",
    "birth": "After a birth, parents take sixteen weeks of leave.",
    "travel": "Trains are booked by the office, two weeks ahead.",
    "doors": "Doors are locked at nine.",
}
ASKED = {"how many weeks of leave do parents take": "leave", "who books trains": "travel"}


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(
        {key: Passage(key, "handbook", 0, len(text), text) for key, text in TEXTS.items()},
        {text: Query(text, text, "factual", "person") for text in ASKED},
        {"test": [Qrel(text, passage) for text, passage in ASKED.items()]},
    )


@pytest.fixture
def evaluation(dataset: Dataset) -> Evaluation:
    return evaluate(dataset, [Contender("words", "bm25")], split="test")


def judged(evaluation: Evaluation, dataset: Dataset, server: TestServer, ledger: Path):
    with open_model(WriteSettings(), ledger, "openai:judge", server.url, None) as judge:
        return with_unjudged(evaluation, dataset, judge=judge).unjudged


def test_without_a_judge_the_share_of_unjudged_results_is_told(evaluation, dataset) -> None:
    found = with_unjudged(evaluation, dataset).unjudged
    n_open = len(pool(evaluation.runs, dataset.qrels["test"]))
    n_found = sum(len(evaluation.runs["words"].ranked_ids(row)[:5]) for row in range(2))
    assert found.fraction == {"words": pytest.approx(n_open / n_found)}
    assert (found.judge, found.n_judged) == ("", 0)


def test_a_judge_sees_every_open_pair_once_and_never_again(
    evaluation, dataset, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody-789")
    n_open = len(pool(evaluation.runs, dataset.qrels["test"]))
    assert n_open > 0
    with TestServer(faults=Faults(error_500=0.2)) as server:
        found = judged(evaluation, dataset, server, tmp_path / "ledger.sqlite")
        n_calls = server.counts.answered
        assert found.n_judged == n_calls == n_open
        assert found.judge == "openai:judge"
        assert found.after["words"] >= found.before["words"]
        again = judged(evaluation, dataset, server, tmp_path / "ledger.sqlite")
        assert again == found
        assert server.counts.answered == n_calls
