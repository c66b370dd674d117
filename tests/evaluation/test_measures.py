"""Measures against the references, and by hand where the references say nothing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation.measures import ALL_MEASURES, MEASURES, measure_run
from homing.types import Qrel, Run

PASSAGES = tuple(f"p{i}" for i in range(12))
CUTOFFS = (1, 2, 3, 5, 10, 20)
KINDS = ("hit", "recall", "precision", "ndcg", "map")
OURS = tuple(f"{kind}@{k}" for kind in KINDS for k in CUTOFFS)
THEIRS = dict(zip(KINDS, ("success", "recall", "P", "ndcg_cut", "map_cut"), strict=True))


def run_of(rankings: dict[str, list[str]], corpus: tuple[str, ...] = PASSAGES) -> Run:
    depth = max((len(r) for r in rankings.values()), default=0) or 1
    ranking = np.full((len(rankings), depth), -1, dtype=np.int64)
    scores = np.full((len(rankings), depth), -np.inf, dtype=np.float32)
    for row, ranked in enumerate(rankings.values()):
        ranking[row, : len(ranked)] = [corpus.index(p) for p in ranked]
        scores[row, : len(ranked)] = np.arange(len(ranked), 0, -1)
    return Run(tuple(rankings), corpus, ranking, scores)


rankings = st.lists(st.sampled_from(PASSAGES), unique=True, max_size=12)
grades = st.dictionaries(st.sampled_from(PASSAGES), st.integers(-1, 3), min_size=1, max_size=8)
judged_runs = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3", "q4"]), st.tuples(rankings, grades), min_size=1
)


def qrels_of(judged: dict[str, tuple[list[str], dict[str, int]]]) -> list[Qrel]:
    return [Qrel(q, p, grade) for q, (_, gs) in judged.items() for p, grade in gs.items()]


@settings(max_examples=150, deadline=None)
@given(judged_runs)
def test_trec_eval_agrees_on_any_run_with_graded_judgements(judged):
    ranked = {query: ranking for query, (ranking, _) in judged.items()}
    measured = measure_run(run_of(ranked), qrels_of(judged), names=OURS)
    reference = pytrec_eval.RelevanceEvaluator(
        # Its ideal ranking takes negative grades into account; ours calls them not relevant.
        {q: {p: max(g, 0) for p, g in gs.items()} for q, (_, gs) in judged.items()},
        {f"{theirs}.{','.join(map(str, CUTOFFS))}" for theirs in THEIRS.values()},
    ).evaluate({q: {p: 1.0 - i / 100 for i, p in enumerate(r)} for q, r in ranked.items()})
    for row, query in enumerate(measured.query_ids):
        for name in OURS:
            kind, k = name.split("@")
            # trec_eval does not list a query for which nothing at all was retrieved.
            expected = reference.get(query, {}).get(f"{THEIRS[kind]}_{k}", 0.0)
            assert measured.values[name][row] == pytest.approx(expected, abs=1e-6), name


@settings(max_examples=150, deadline=None)
@given(judged_runs)
def test_reciprocal_rank_is_trec_evals_up_to_its_cutoff(judged):
    ranked = {query: ranking[:10] for query, (ranking, _) in judged.items()}
    measured = measure_run(run_of(ranked), qrels_of(judged), names=["mrr@10"])
    reference = pytrec_eval.RelevanceEvaluator(
        {q: gs for q, (_, gs) in judged.items()}, {"recip_rank"}
    ).evaluate({q: {p: 1.0 - i / 100 for i, p in enumerate(r)} for q, r in ranked.items()})
    for row, query in enumerate(measured.query_ids):
        expected = reference.get(query, {}).get("recip_rank", 0.0)
        assert measured.values["mrr@10"][row] == pytest.approx(expected, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(judged_runs)
def test_every_value_lies_between_zero_and_one_and_grows_with_the_cutoff(judged):
    ranked = {query: ranking for query, (ranking, _) in judged.items()}
    measured = measure_run(run_of(ranked), qrels_of(judged), names=OURS)
    for values in measured.values.values():
        assert np.all((values >= 0) & (values <= 1 + 1e-12))
    for kind in ("hit", "recall", "map"):
        for small, large in pairwise(CUTOFFS):
            assert np.all(measured.values[f"{kind}@{small}"] <= measured.values[f"{kind}@{large}"])


@settings(max_examples=100, deadline=None)
@given(judged_runs, st.dictionaries(st.sampled_from(PASSAGES), st.sampled_from(["g", "h"])))
def test_groups_do_what_taking_one_passage_for_each_group_would(judged, groups):
    """The same measures come out of a corpus in which every group is one passage."""

    def unit(passage: str) -> str:
        return groups.get(passage, passage)

    ranked = {q: ranking for q, (ranking, _) in judged.items()}
    merged = {q: list(dict.fromkeys(map(unit, r))) for q, r in ranked.items()}
    qrels = qrels_of(judged)
    merged_qrels = [Qrel(q.query_id, unit(q.passage_id), q.grade) for q in qrels]
    with_groups = measure_run(run_of(ranked), qrels, groups=groups, names=OURS)
    corpus = tuple(dict.fromkeys(map(unit, PASSAGES)))
    without = measure_run(run_of(merged, corpus), merged_qrels, names=OURS)
    assert with_groups.query_ids == without.query_ids
    for name in OURS:
        assert np.array_equal(with_groups.values[name], without.values[name]), name


def value(name: str, ranked: list[str], *qrels: Qrel, groups: dict[str, str] | None = None):
    return measure_run(run_of({"q": ranked}), qrels, groups=groups, names=[name]).values[name][0]


def test_a_duplicate_of_the_right_passage_is_no_miss():
    right = Qrel("q", "p5")
    groups = {"p4": "same", "p5": "same"}
    assert value("hit@1", ["p4", "p1"], right) == 0
    assert value("hit@1", ["p4", "p1"], right, groups=groups) == 1
    assert value("recall@10", ["p4", "p5"], right, groups=groups) == 1
    assert value("map@100", ["p4", "p5"], right, groups=groups) == 1


def test_duplicates_of_wrong_passages_take_one_rank_together():
    groups = {"p1": "twins", "p2": "twins"}
    assert value("mrr@10", ["p1", "p2", "p5"], Qrel("q", "p5")) == pytest.approx(1 / 3)
    assert value("mrr@10", ["p1", "p2", "p5"], Qrel("q", "p5"), groups=groups) == 0.5


def test_of_several_grades_in_a_group_the_highest_counts():
    groups = {"p1": "g", "p2": "g"}
    qrels = Qrel("q", "p1", 1), Qrel("q", "p2", 3), Qrel("q", "p3", 3)
    assert value("ndcg@10", ["p1", "p3"], *qrels, groups=groups) == pytest.approx(1.0)


def test_a_query_missing_from_the_run_counts_as_zero():
    measured = measure_run(
        run_of({"asked": ["p1"]}), [Qrel("asked", "p1"), Qrel("forgotten", "p2")]
    )
    assert measured.query_ids == ("asked", "forgotten")
    assert measured.values["hit@5"].tolist() == [1.0, 0.0]
    assert measured.means()["hit@5"] == 0.5
    assert all(values[1] == 0 for values in measured.values.values())


def test_queries_without_a_relevant_passage_are_left_out_and_named():
    measured = measure_run(
        run_of({"good": ["p1"], "unjudged": ["p1"]}), [Qrel("bad", "p1", 0), Qrel("good", "p1")]
    )
    assert measured.query_ids == ("good",)
    assert measured.excluded == ("bad", "unjudged")


def test_a_relevant_passage_that_the_corpus_lacks_is_never_found():
    assert value("recall@10", ["p1"], Qrel("q", "p1"), Qrel("q", "elsewhere")) == 0.5


def test_map_counts_all_relevant_passages_even_beyond_the_cutoff():
    qrels = [Qrel("q", f"p{i}") for i in range(4)]
    assert value("map@2", ["p0", "p1", "p2", "p3"], *qrels) == 0.5


def test_an_empty_ranking_scores_zero_everywhere():
    measured = measure_run(run_of({"q": []}), [Qrel("q", "p1")])
    assert all(values.tolist() == [0.0] for values in measured.values.values())
    assert measure_run(run_of({}), []).means()["hit@1"] != 0  # nan: nothing was measured


def test_names_are_checked():
    for name in ("hit", "hit@0", "ndgc@10", "mrr@-1"):
        with pytest.raises(ValueError, match="no measure"):
            measure_run(run_of({"q": ["p1"]}), [Qrel("q", "p1")], names=[name])
    with pytest.raises(ValueError, match="twice"):
        measure_run(Run(("q", "q"), PASSAGES, np.zeros((2, 1), np.int64), np.zeros((2, 1))), [])


def test_the_usual_measures_are_there():
    promised = {
        "hit@1", "hit@3", "hit@5", "hit@10", "mrr@10", "ndcg@10", "map@100", "recall@10",
        "recall@100", "precision@1", "precision@5",
    }  # fmt: skip
    assert promised <= set(MEASURES) <= set(ALL_MEASURES)


def test_sentence_transformers_own_evaluator_agrees():
    """On random vectors; its evaluator gets them from a stand-in that looks texts up."""
    pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.evaluation import (
        InformationRetrievalEvaluator,
    )
    from sentence_transformers.util import cos_sim

    from homing.retrieval.search import top_k

    rng = np.random.default_rng(7)
    corpus = {f"p{i}": f"passage {i}" for i in range(60)}
    queries = {f"q{i}": f"question {i}" for i in range(25)}
    relevant = {q: {f"p{i}" for i in rng.choice(60, rng.integers(1, 5), False)} for q in queries}
    vectors = {text: rng.normal(size=8) for text in (*corpus.values(), *queries.values())}
    tables = [
        np.stack([vectors[t] / np.linalg.norm(vectors[t]) for t in texts.values()]).astype("f4")
        for texts in (queries, corpus)
    ]
    ranking, scores = top_k(tables[0] @ tables[1].T, 60)
    measured = measure_run(
        Run(tuple(queries), tuple(corpus), ranking, scores),
        [Qrel(q, p) for q, ps in relevant.items() for p in sorted(ps)],
    )
    ks = [1, 3, 5, 10, 100]
    evaluator = InformationRetrievalEvaluator(
        queries, corpus, relevant, accuracy_at_k=ks, mrr_at_k=[10], ndcg_at_k=[10, 100],
        map_at_k=[10, 100], precision_recall_at_k=ks, score_functions={"cosine": cos_sim},
    )  # fmt: skip
    check_against_evaluator(measured.means(), evaluator, LookUp(vectors))


class LookUp:
    """What the evaluator needs of a model, over vectors that are written down."""

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def encode_query(self, texts, **options):
        import torch

        return torch.tensor(np.stack([self.vectors[t] for t in texts]), dtype=torch.float32)

    encode_document = encode_query


def check_against_evaluator(means: dict[str, float], evaluator, model) -> None:
    theirs = evaluator.compute_all_metrics(model)
    for function in theirs:
        found = theirs[function]
        pairs = [("hit", "accuracy"), ("precision", "precision"), ("recall", "recall")]
        pairs += [("mrr", "mrr"), ("ndcg", "ndcg"), ("map", "map")]
        for ours, name in pairs:
            for k, expected in found[f"{name}@k"].items():
                if f"{ours}@{k}" in means:
                    assert means[f"{ours}@{k}"] == pytest.approx(float(expected), abs=1e-6), name


def test_a_budget_of_tokens_counts_what_is_handed_over_whole():
    run = run_of({"q": ["p0", "p1", "p2"], "r": ["p2", "p0", "p1"]})
    qrels = [Qrel("q", "p2"), Qrel("r", "p2")]
    tokens = [900] * len(PASSAGES)
    names = ("hit@2000tokens", "hit@3")
    measured = measure_run(run, qrels, names=names, passage_tokens=tokens)
    assert measured.values["hit@2000tokens"].tolist() == [0.0, 1.0]  # the third would pass 2,000
    assert measured.values["hit@3"].tolist() == [1.0, 1.0]
    assert list(measured.values) == list(names)


def test_a_near_duplicate_that_is_handed_over_takes_its_share_of_the_budget():
    run = run_of({"q": ["p0", "p1", "p2"]})
    groups = {"p0": "same", "p1": "same"}
    measured = measure_run(
        run,
        [Qrel("q", "p2")],
        groups=groups,
        names=("hit@2", "hit@2000tokens"),
        passage_tokens=[900] * len(PASSAGES),
    )
    assert measured.values["hit@2"].tolist() == [1.0]
    assert measured.values["hit@2000tokens"].tolist() == [0.0]


def test_a_budget_without_the_passages_tokens_is_refused():
    with pytest.raises(ValueError, match="tokens of every passage"):
        measure_run(run_of({"q": ["p0"]}), [Qrel("q", "p0")], names=("hit@2000tokens",))
