"""Ranks on the page are those of the evaluation, whatever is a duplicate of what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from handbook_report import handbook_report
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation.measures import measure_run
from homing.reporting.ranks import judged_queries, rank_all
from homing.types import Qrel, Run

PASSAGES = tuple(f"p{n}" for n in range(12))
HANDBOOK = handbook_report()


def run_on(rng: np.random.Generator, n_queries: int, depth: int) -> Run:
    """Return a random run; some questions have fewer passages than others."""
    ranking = np.array([rng.permutation(len(PASSAGES))[:depth] for _ in range(n_queries)])
    ranking[0, depth // 2 :] = -1
    query_ids = tuple(f"q{n}" for n in range(n_queries))
    return Run(query_ids, PASSAGES, ranking.astype(np.int64), np.zeros(ranking.shape, np.float32))


@given(seed=st.integers(0, 10_000), n_groups=st.integers(1, 6), depth=st.integers(2, 12))
@settings(max_examples=40, deadline=None)
def test_the_rank_of_the_right_passage_is_the_evaluations(
    seed: int, n_groups: int, depth: int
) -> None:
    rng = np.random.default_rng(seed)
    run = run_on(rng, 5, depth)
    groups = {p: f"g{rng.integers(n_groups)}" for p in PASSAGES if rng.random() < 0.6}
    relevant = {q: {str(p): 1 for p in rng.choice(PASSAGES, 2)} for q in run.query_ids}
    data = HANDBOOK
    evaluation = replace(data.evaluation, query_ids=run.query_ids, runs={"base": run})
    data = replace(data, evaluation=evaluation, relevant=relevant, groups=groups)
    ranks = rank_all(data, 3)["base"].first_right
    qrels = [Qrel(q, p) for q, grades in relevant.items() for p in grades]
    measured = measure_run(run, qrels, groups=groups, names=("hit@1", "hit@3", "mrr@10"))
    for k in (1, 3):
        found = (ranks > 0) & (ranks <= k)
        np.testing.assert_array_equal(found, measured.values[f"hit@{k}"] == 1)
    reciprocal = np.where((ranks > 0) & (ranks <= 10), 1 / np.maximum(ranks, 1), 0)
    np.testing.assert_allclose(reciprocal, measured.values["mrr@10"])


def test_the_first_passages_hold_one_of_each_group() -> None:
    data = handbook_report()
    ranking = np.array([[3, 5, 4, 0, 1]], dtype=np.int64)
    run = Run(("q0",), PASSAGES, ranking, np.zeros(ranking.shape, np.float32))
    evaluation = replace(data.evaluation, query_ids=("q0",), runs={"base": run})
    data = replace(
        data,
        evaluation=evaluation,
        relevant={"q0": {"p0": 1}},
        groups={"p3": "twins", "p5": "twins"},
    )
    answer = rank_all(data, 6)["base"]
    assert answer.top.tolist() == [[3, 4, 0, 1, -1, -1]]
    assert answer.first_right.tolist() == [3]


def test_a_question_without_a_label_is_no_question_of_the_page() -> None:
    data = handbook_report()
    first, *others = data.evaluation.query_ids
    relevant = {q: data.relevant[q] for q in others}
    partly = replace(data, relevant=relevant)
    assert judged_queries(partly) == tuple(others)
    assert len(rank_all(partly, 1)["base"].first_right) == len(others)
    assert rank_all(replace(data, relevant={}), 1) == {}
    assert first not in judged_queries(partly)
