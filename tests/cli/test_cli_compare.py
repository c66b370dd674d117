"""`homing compare`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    texts = {
        "leave": "Parents take sixteen weeks of leave.",
        "travel": "Trains are booked by the office.",
        "doors": "Doors are locked at nine.",
    }
    asked = {"leave": "how many weeks of leave", "travel": "who books trains"}
    path = tmp_path / "handbook.json"
    path.write_text(
        json.dumps(
            {
                "queries": {f"q-{key}": text for key, text in asked.items()},
                "corpus": texts,
                "relevant_docs": {f"q-{key}": [key] for key in asked},
            }
        )
    )
    return path


def test_two_evaluations_are_set_side_by_side(homing, dataset, tmp_path) -> None:
    for out in ("a", "b"):
        done = homing("evaluate", dataset, "--contender", "words=bm25", "--out", tmp_path / out)
        assert done.code == 0, done.err
    done = homing("compare", tmp_path / "a", tmp_path / "b")
    assert done.code == 0, done.err
    assert "2 questions in common." in done.out
    assert "words" in done.out
    assert "1.000" in done.out  # p of no difference at all
    told = homing("compare", tmp_path / "a", tmp_path / "b", "--json").json
    assert told["n_common"] == 2
    assert {c["measure"] for c in told["changes"]} == {"hit@1", "hit@5", "mrr@10", "ndcg@10"}


def test_a_folder_without_an_evaluation_says_how_to_make_one(homing, tmp_path) -> None:
    done = homing("compare", tmp_path, tmp_path)
    assert done.code == 2
    assert "holds no finished evaluation" in done.err
    assert "homing evaluate" in done.err
