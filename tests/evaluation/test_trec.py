"""Runs and judgements in the files of trec_eval, and the numbers it makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from homing.errors import UsageError
from homing.evaluation.measures import measure_run
from homing.evaluation.trec import read_qrels, read_run, write_qrels, write_run
from homing.types import Qrel, Run

CORPUS = ("leave", "pay", "travel", "phones", "doors")
QRELS = [Qrel("q1", "pay", 2), Qrel("q1", "travel", 1), Qrel("q2", "doors"), Qrel("q2", "leave", 0)]


def run_with_ties() -> Run:
    ranking = np.array([[0, 1, 2, 3], [3, 4, 0, -1]])
    scores = np.array([[0.9, 0.9, 0.9, 0.1], [0.5, 0.25, 0.25, -np.inf]], dtype=np.float32)
    return Run(("q1", "q2"), CORPUS, ranking, scores)


def test_a_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    run = run_with_ties()
    write_run(run, tmp_path / "run.trec", "base")
    again = read_run(tmp_path / "run.trec", CORPUS)
    assert again.query_ids == run.query_ids
    np.testing.assert_array_equal(again.ranking, run.ranking)
    np.testing.assert_allclose(again.scores, run.scores, atol=1e-6)


def test_trec_eval_finds_our_numbers_in_the_files_even_with_ties(tmp_path: Path) -> None:
    run = run_with_ties()
    write_run(run, tmp_path / "run.trec", "base")
    write_qrels(QRELS, tmp_path / "qrels.trec")
    with (tmp_path / "qrels.trec").open() as judged, (tmp_path / "run.trec").open() as ranked:
        reference = pytrec_eval.RelevanceEvaluator(
            pytrec_eval.parse_qrel(judged), {"recip_rank", "ndcg_cut_10", "map_cut_100"}
        ).evaluate(pytrec_eval.parse_run(ranked))
    ours = measure_run(run, QRELS, names=("mrr@10", "ndcg@10", "map@100"))
    for row, query_id in enumerate(ours.query_ids):
        theirs = reference[query_id]
        assert ours.values["mrr@10"][row] == pytest.approx(theirs["recip_rank"])
        assert ours.values["ndcg@10"][row] == pytest.approx(theirs["ndcg_cut_10"])
        assert ours.values["map@100"][row] == pytest.approx(theirs["map_cut_100"])


def test_judgements_come_back_with_their_grades(tmp_path: Path) -> None:
    write_qrels(QRELS, tmp_path / "qrels.trec")
    assert read_qrels(tmp_path / "qrels.trec") == QRELS


def test_ids_with_blanks_are_refused_before_a_file_is_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="white space"):
        write_qrels([Qrel("a question", "pay")], tmp_path / "qrels.trec")
    assert not (tmp_path / "qrels.trec").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("q1 Q0 pay 1 0.5", "6 fields"),
        ("q1 Q0 lunch 1 0.5 base", "no passage 'lunch'"),
        ("q1 Q0 pay 1 high base", "the score 'high'"),
    ],
)
def test_a_run_that_does_not_fit_says_which_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "run.trec").write_text(f"q1 Q0 leave 1 0.9 base\n{line}\n")
    with pytest.raises(UsageError, match=f"line 2: .*{said}"):
        read_run(tmp_path / "run.trec", CORPUS)
