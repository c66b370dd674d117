"""Exact search: the best k, ties by the order of the corpus, memory bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from homing.retrieval import search as search_module
from homing.retrieval.search import queries_in_block, search, top_k

few_values = st.sampled_from([-2.0, -0.5, -0.0, 0.0, 0.25, 0.5, 3.0, float("inf"), float("-inf")])
score_tables = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 4), st.integers(1, 12)), elements=few_values
)


@given(scores=score_tables, k=st.integers(1, 15))
def test_the_ranking_is_that_of_a_stable_sort(scores: np.ndarray, k: int):
    positions, best = top_k(scores, k)
    for row in range(len(scores)):
        expected = sorted(range(scores.shape[1]), key=lambda i: (-scores[row, i], i))[:k]
        found = [i for i in positions[row].tolist() if i >= 0]
        assert found == expected
        assert best[row, : len(found)].tolist() == scores[row, expected].tolist()
        assert np.all(best[row, len(found) :] == -np.inf)


@given(st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_ordinary_scores_rank_like_numpys_sort(k: int, seed: int):
    scores = np.random.default_rng(seed).normal(size=(3, 200)).astype(np.float32)
    positions, _ = top_k(scores, k)
    assert np.array_equal(positions, np.argsort(-scores, axis=1, kind="stable")[:, :k])


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="not a number"):
        top_k(np.array([[0.1, np.nan]], dtype=np.float32), 1)
    with pytest.raises(ValueError, match="at least 1"):
        top_k(np.zeros((1, 2), dtype=np.float32), 0)


class LetterOverlap:
    """Scores a passage by how many letters it shares with the query; remembers block sizes."""

    def __init__(self, passages: list[str]) -> None:
        self.passages = passages
        self.n_passages = len(passages)
        self.blocks: list[int] = []

    def scores(self, queries):
        self.blocks.append(len(queries))
        table = [[len(set(q) & set(p)) for p in self.passages] for q in queries]
        return np.array(table, dtype=np.float32).reshape(len(queries), self.n_passages)


def test_blocks_bound_the_memory_and_change_nothing(monkeypatch: pytest.MonkeyPatch):
    passages = ["parental leave", "sick pay", "travel costs", "pension"]
    queries = ["leave", "pay", "cost of travel", "pensions", "sick"]
    ids = [f"q{i}" for i in range(5)]
    whole = search(LetterOverlap(passages), ids, queries, passages, 3)
    monkeypatch.setattr(search_module, "BLOCK_BYTES", 4 * 4 * 2)
    retriever = LetterOverlap(passages)
    cut = search(retriever, ids, queries, passages, 3)
    assert retriever.blocks == [2, 2, 1]
    assert np.array_equal(whole.ranking, cut.ranking)
    assert np.array_equal(whole.scores, cut.scores)
    assert whole.ranked_ids(2)[0] == "travel costs"


def test_a_corpus_smaller_than_k_leaves_places_empty():
    run = search(LetterOverlap(["only one"]), ["q"], ["one"], ["p"], 3)
    assert run.ranked_ids(0) == ["p"]
    assert run.ranking[0].tolist() == [0, -1, -1]


def test_one_query_is_scored_even_where_it_exceeds_the_block():
    assert queries_in_block(10**12) == 1
    assert queries_in_block(1_000) * 1_000 * 4 <= search_module.BLOCK_BYTES


def test_ids_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 passage ids for an index of 1"):
        search(LetterOverlap(["a"]), ["q"], ["a"], ["p", "r"], 1)
    with pytest.raises(ValueError, match="2 query ids for 1"):
        search(LetterOverlap(["a"]), ["q", "r"], ["a"], ["p"], 1)
