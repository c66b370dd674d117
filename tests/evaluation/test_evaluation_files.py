"""An evaluation with all that may be in it, on disk and back."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from decided import evaluation_of, found

from homing.evaluation.files import load_evaluation, save_evaluation
from homing.evaluation.verdict import decide
from homing.types import (
    ContenderResult,
    Cost,
    Drift,
    Evaluation,
    Forgetting,
    Interval,
    Run,
    Slice,
    Unjudged,
)


def small() -> Evaluation:
    """Three contenders on eight questions, and nothing that may be left out."""
    hits = {"base": found(4, 8), "tuned": found(6, 8), "bm25": found(5, 8, shift=3)}
    evaluation = evaluation_of(hits)
    ranking = np.tile(np.array([[1, 0, -1]]), (8, 1))
    scores = np.where(ranking >= 0, np.float32(0.5), np.float32(-np.inf)).astype(np.float32)
    passages = tuple(f"passage {i}" for i in range(8))
    run = Run(tuple(evaluation.query_ids), passages, ranking, scores)
    return replace(evaluation, runs=dict.fromkeys(hits, run))


def complete() -> Evaluation:
    """The same with everything that can be found."""
    evaluation = small()
    interval = Interval(0.5, 0.25, 0.75)
    contenders = {
        name: replace(result, intervals={"hit@5": interval}, seconds=1.5, chosen="z, 0.6 for tuned")
        for name, result in evaluation.contenders.items()
    }
    evaluation = replace(
        evaluation,
        contenders=contenders,
        notes=("One note.",),
        query_source="written",
        copied_fraction=0.6,
        slices=(
            Slice("kind", "how_to", np.array([0, 2, 7]), {"base": interval}, {"tuned": interval}),
            Slice("kind", "empty", np.array([], dtype=np.int64), {}, {}),
            Slice("kind", "cloze", np.array([1]), {"base": interval}, {"tuned": interval}),
        ),
        costs={"base": Cost(passages_per_s=120.5, dimensions=384), "bm25": Cost()},
        forgetting=(Forgetting("Python docs", 3, 9, "ndcg@10", 0.5, 0.4, interval),),
        drift=Drift(0.9, 0.8, 0.7, must_rebuild=True, probe=0.95),
        unjudged=Unjudged(5, {"base": 0.8}, "openai:gpt-5", 12, 3, {"base": 0.5}, {"base": 0.6}),
    )
    return replace(evaluation, verdict=decide(evaluation))


def check_equal(loaded: Evaluation, saved: Evaluation) -> None:
    for field in fields(Evaluation):
        if field.name not in ("by_query", "runs", "slices"):
            assert getattr(loaded, field.name) == getattr(saved, field.name), field.name
    assert list(loaded.by_query) == list(saved.by_query)
    for name, values in saved.by_query.items():
        assert list(values) == list(loaded.by_query[name])
        assert all(np.array_equal(v, loaded.by_query[name][m]) for m, v in values.items())
    for name, run in saved.runs.items():
        again = loaded.runs[name]
        assert (again.query_ids, again.passage_ids) == (run.query_ids, run.passage_ids)
        assert np.array_equal(again.ranking, run.ranking)
        assert np.array_equal(again.scores, run.scores)
        assert (again.ranking.dtype, again.scores.dtype) == (np.int64, np.float32)
    assert len(loaded.slices) == len(saved.slices)
    for part, other in zip(loaded.slices, saved.slices, strict=True):
        assert (part.dimension, part.label) == (other.dimension, other.label)
        assert (part.results, part.differences) == (other.results, other.differences)
        assert np.array_equal(part.rows, other.rows)
        assert part.rows.dtype == np.int64


@pytest.mark.parametrize("make", [small, complete])
def test_it_comes_back_as_it_was(make, tmp_path: Path):
    saved = make()
    save_evaluation(saved, tmp_path / "evaluation")
    check_equal(load_evaluation(tmp_path / "evaluation"), saved)


def test_an_evaluation_that_knows_no_clusters_comes_back_without(tmp_path: Path):
    save_evaluation(replace(small(), clusters=()), tmp_path)
    assert load_evaluation(tmp_path).clusters == ()


def test_the_file_for_people_begins_with_the_verdict(tmp_path: Path):
    save_evaluation(complete(), tmp_path)
    text = (tmp_path / "evaluation.json").read_text(encoding="utf-8")
    assert 0 < text.index("Not enough questions to tell") < text.index("contenders")
    assert "NaN" not in text


def test_a_result_keeps_what_was_settled_on_dev(tmp_path: Path):
    save_evaluation(complete(), tmp_path)
    result: ContenderResult = load_evaluation(tmp_path).contenders["bm25"]
    assert result.chosen == "z, 0.6 for tuned"
