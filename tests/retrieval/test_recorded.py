"""Runs of another system in the place of a retriever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from homing.dataset import Dataset
from homing.errors import UsageError
from homing.evaluation.contenders import Contender
from homing.evaluation.evaluate import evaluate
from homing.evaluation.trec import write_run
from homing.retrieval.recorded import RecordedRetriever
from homing.retrieval.search import search
from homing.types import Passage, Qrel, Query, Run

TEXTS = {
    "leave": "Parents take sixteen weeks of leave.",
    "travel": "Trains are booked by the office.",
    "doors": "Doors are locked at nine.",
}
ASKED = {"q1": "how long is leave", "q2": "who books trains", "q3": "when are doors locked"}


def dataset() -> Dataset:
    answers = zip(ASKED, TEXTS, strict=True)
    return Dataset(
        {key: Passage(key, "", 0, len(text), text) for key, text in TEXTS.items()},
        {key: Query(key, text) for key, text in ASKED.items()},
        {"test": [Qrel(query, passage) for query, passage in answers]},
    )


def run_of_another() -> Run:
    ranking = np.array([[0, 2], [2, -1]])
    scores = np.array([[7.5, 2.0], [3.0, -np.inf]], dtype=np.float32)
    return Run(("q1", "q2"), tuple(TEXTS), ranking, scores)


def test_a_search_gives_the_run_back_and_nothing_beyond_it() -> None:
    retriever = RecordedRetriever(run_of_another(), {text: key for key, text in ASKED.items()})
    run = search(retriever, list(ASKED), list(ASKED.values()), list(TEXTS), 3)
    assert [run.ranked_ids(row) for row in range(3)] == [["leave", "doors"], ["doors"], []]
    assert run.scores[0].tolist() == [7.5, 2.0, -np.inf]


def test_for_a_fusion_what_was_not_found_is_no_better_than_the_last_that_was() -> None:
    retriever = RecordedRetriever(run_of_another(), {text: key for key, text in ASKED.items()})
    assert retriever.scores(list(ASKED.values())).tolist() == [[7.5, 2, 2], [3, 3, 3], [0, 0, 0]]


def test_a_run_from_a_file_is_a_contender_like_any_other(tmp_path: Path) -> None:
    write_run(run_of_another(), tmp_path / "other.run", "other")
    contenders = [Contender("other", f"trec:{tmp_path / 'other.run'}"), Contender("bm25", "bm25")]
    evaluation = evaluate(dataset(), contenders, split="test", baseline="bm25")
    assert evaluation.contenders["other"].measures["hit@1"] == pytest.approx(1 / 3)
    assert evaluation.contenders["other"].measures["recall@100"] == pytest.approx(1 / 3)


def test_a_run_over_another_corpus_stops_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "other.run").write_text("q1 Q0 lunch 1 7.5 other\n")
    with pytest.raises(UsageError, match=r"other=trec:.*no passage 'lunch'"):
        evaluate(dataset(), [Contender("other", f"trec:{tmp_path / 'other.run'}")], split="test")
