"""What the pipeline gathers for the report: where documents lie, and every judgement."""

from __future__ import annotations

from pathlib import Path

from homing.dataset import Dataset
from homing.pipeline.reporting import judgements, source_paths
from homing.types import Qrel


def test_documents_are_found_relative_to_the_report(tmp_path: Path) -> None:
    handbook, tuned = tmp_path / "handbook", tmp_path / "jobs" / "tuned"
    (handbook / "people").mkdir(parents=True)
    tuned.mkdir(parents=True)
    (handbook / "people" / "pay.pdf").touch()
    assert source_paths([str(handbook)], tuned) == {
        "people/pay.pdf": "../../handbook/people/pay.pdf"
    }


def test_sources_that_are_gone_are_linked_nowhere(tmp_path: Path) -> None:
    assert source_paths([str(tmp_path / "nowhere")], tmp_path) == {}


def test_judgements_of_grade_0_are_judgements_too() -> None:
    qrels = [Qrel("q", "right", 2), Qrel("q", "wrong", 0), Qrel("q", "right", 1)]
    dataset = Dataset({}, {}, {"test": tuple(qrels)})
    assert judgements(dataset, "test") == {"q": {"right": 2, "wrong": 0}}
