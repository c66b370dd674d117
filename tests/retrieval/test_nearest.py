"""Nearest vectors are those of exact arithmetic, however the work is cut."""

from __future__ import annotations

import tracemalloc
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from homing.retrieval import nearest as nearest_module
from homing.retrieval import ranking
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.nearest import nearest
from homing.retrieval.search import search
from homing.types import TopKRetriever

whole_numbers = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1.0, 3.0])


def tables(n_rows: st.SearchStrategy[int]) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float32, st.tuples(n_rows, st.just(3)), elements=whole_numbers)


def by_sorting(queries: np.ndarray, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every product in double precision, rounded, in a stable order."""
    products = (queries.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    positions = np.full((len(queries), k), -1)
    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    positions[:, : order.shape[1]] = order
    best[:, : order.shape[1]] = np.take_along_axis(products, order, axis=1)
    return positions, best


def cut_small(spare: int, tile: int, rows: int) -> ExitStack:
    stack = ExitStack()
    stack.enter_context(patch.object(ranking, "SPARE", spare))
    stack.enter_context(patch.object(ranking, "_ROWS", rows))
    stack.enter_context(patch.object(nearest_module, "_FEW_ROWS", 1))
    for module in (ranking, nearest_module):
        stack.enter_context(patch.object(module, "TILE_SCORES", tile))
    return stack


def unit_vectors(n: int, seed: int, dimensions: int = 24) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=50)
@given(
    queries=tables(st.integers(0, 5)),
    vectors=tables(st.integers(0, 50)),
    k=st.integers(1, 12),
    spare=st.integers(0, 3),
    tile=st.integers(1, 40),
    rows=st.integers(1, 3),
)
def test_ties_signs_and_small_corpora_are_those_of_a_stable_sort(
    queries, vectors, k: int, spare: int, tile: int, rows: int
):
    with cut_small(spare, tile, rows):
        positions, products = nearest(queries, vectors, k)
    expected, best = by_sorting(queries, vectors, k)
    assert np.array_equal(positions, expected)
    assert np.array_equal(products, best)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_queries=st.sampled_from([1, 2, 7]),
    n_copies=st.integers(1, 6),
    k=st.integers(1, 30),
    tile=st.integers(50, 900),
)
def test_copies_of_a_passage_tie_and_the_earlier_comes_first(
    seed: int, n_queries: int, n_copies: int, k: int, tile: int
):
    vectors = np.tile(unit_vectors(40, seed), (n_copies, 1))
    vectors = vectors[np.random.default_rng(seed).permutation(len(vectors))]
    queries = unit_vectors(n_queries, seed + 1)
    with cut_small(40, tile, 3):
        positions, products = nearest(queries, vectors, k)
    expected, best = by_sorting(queries, vectors, k)
    assert np.array_equal(positions, expected)
    assert np.array_equal(products, best)


def test_a_question_is_answered_alike_alone_and_among_others():
    vectors, queries = unit_vectors(3000, 1), unit_vectors(40, 2)
    together = nearest(queries, vectors, 10)
    for row in range(0, 40, 13):
        alone = nearest(queries[row : row + 1], vectors, 10)
        assert np.array_equal(alone[0][0], together[0][row])
        assert np.array_equal(alone[1][0], together[1][row])


def test_vectors_that_are_all_alike_are_searched_too():
    vectors = np.ones((2000, 4), dtype=np.float32) / 2
    positions, products = nearest(vectors[:3], vectors, 5)
    assert positions.tolist() == [[0, 1, 2, 3, 4]] * 3
    assert np.all(products == 1)


def test_the_corpus_is_not_copied(tmp_path: Path):
    vectors, queries = unit_vectors(60_000, 3, dimensions=128), unit_vectors(20, 4, dimensions=128)
    np.save(tmp_path / "vectors.npy", vectors)
    tracemalloc.start()
    found = nearest(queries, vectors, 10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < vectors.nbytes / 2
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    assert np.array_equal(nearest(queries, mapped, 10)[0], found[0])


def test_vectors_with_what_is_no_number_are_refused():
    vectors = unit_vectors(3000, 5)
    damaged = vectors.copy()
    damaged[2500, 3] = np.nan
    for queries, corpus in [(vectors[:2], damaged), (damaged[2499:2502], vectors)]:
        with pytest.raises(ValueError, match="not a number"):
            nearest(queries, corpus, 5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        nearest(unit_vectors(1, 0), unit_vectors(1, 0), 0)
    with pytest.raises(ValueError, match="do not fit"):
        nearest(unit_vectors(1, 0, 8), unit_vectors(1, 0, 9), 1)


class LetterCounts:
    """Counts letters; a real encoder would divide by the length, which would blur the ties."""

    key, dimensions = "letters", 3

    def encode_passages(self, texts):
        counts = [[text.count(letter) for letter in "aep"] for text in texts]
        return np.array(counts, dtype=np.float32).reshape(len(texts), 3)

    encode_queries = encode_passages


class ByScores:
    """The same retriever to those who may only ask for all scores."""

    def __init__(self, inner: DenseRetriever) -> None:
        self.n_passages, self.scores = inner.n_passages, inner.scores


def test_a_dense_retriever_finds_what_all_its_scores_say():
    passages = ["parental leave", "sick pay", "travel costs", "pension", "pay", "leave"] * 100
    queries = ["apply for parental leave", "pension", "xyz"]
    dense = DenseRetriever(LetterCounts(), passages)
    assert isinstance(dense, TopKRetriever)
    ids = [f"p{i}" for i in range(len(passages))]
    found = search(dense, ["a", "b", "c"], queries, ids, 8)
    plain = search(ByScores(dense), ["a", "b", "c"], queries, ids, 8)
    assert np.array_equal(found.ranking, plain.ranking)
    assert np.array_equal(found.scores, plain.scores)
    assert found.ranking[2].tolist() == list(range(8))
