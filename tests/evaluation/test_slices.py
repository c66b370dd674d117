"""The test questions cut up by what they have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from homing.dataset import Dataset
from homing.evaluation.overlap import shared_fractions
from homing.evaluation.slices import MAX_DOCUMENTS, find_slices
from homing.types import Passage, Qrel, Query, Slice


def report(n: int, *, n_documents: int = 2, words: Sequence[int] = (10,)) -> Dataset:
    """A passage and a question about it, `n` times, spread over the documents in turn."""
    corpus, queries, qrels = {}, {}, []
    for i in range(n):
        text = " ".join([f"Clause{i}", *["stipulates"] * (words[i % len(words)] - 1)])
        corpus[f"p{i}"] = Passage(f"p{i}", f"d{i % n_documents}", 0, len(text), text)
        queries[f"q{i}"] = Query(f"q{i}", f"Clause{i} about costs", "how_to", "extractive")
        qrels.append(Qrel(f"q{i}", f"p{i}"))
    return Dataset(corpus, queries, {"test": qrels})


def sliced(dataset: Dataset, hit: Sequence[float] | None = None, **given: object) -> list[Slice]:
    """The slices of a test set in which "base" finds nothing and "tuned" what it is told to."""
    relevant = dataset.split("test")
    n = len(relevant)
    by_query = {
        "base": {"hit@5": np.zeros(n)},
        "tuned": {"hit@5": np.ones(n) if hit is None else np.array(hit, dtype=float)},
    }
    clusters = [dataset.corpus[next(iter(grades))].document_id for grades in relevant.values()]
    options: dict[str, object] = {
        "baseline": "base",
        "shared": shared_fractions(dataset, relevant),
        "seed": 0,
        **given,
    }
    return list(find_slices(dataset, relevant, by_query, clusters, **options))  # type: ignore[arg-type]


def labels(slices: Sequence[Slice], dimension: str) -> dict[str, int]:
    return {part.label: part.n for part in slices if part.dimension == dimension}


def with_queries(dataset: Dataset, queries: Sequence[Query]) -> Dataset:
    return Dataset(dataset.corpus, {q.id: q for q in queries}, dataset.qrels)


def test_what_all_questions_have_in_common_is_no_slice():
    assert {part.dimension for part in sliced(report(6))} == {"document"}


def test_kinds_and_writers_come_by_size():
    queries = [
        Query("q0", "Clause0", "cloze", "extractive"),
        Query("q1", "Clause1", "asked", "person"),
        Query("q2", "Clause2", "asked", "person"),
        Query("q3", "Clause3", "", ""),
        Query("q4", "Clause4", "", "openai:gpt-5-mini"),
        Query("q5", "Clause5", "asked", "person"),
    ]
    slices = sliced(with_queries(report(6), queries))
    assert labels(slices, "kind") == {"asked": 3, "not known": 2, "cloze": 1}
    assert labels(slices, "source") == {
        "asked by people": 3,
        "written by extractive": 1,
        "not known": 1,
        "written by openai:gpt-5-mini": 1,
    }
    people = next(part for part in slices if part.label == "asked by people")
    assert people.rows.tolist() == [1, 2, 5]
    assert people.rows.dtype == np.int64


def test_passages_are_told_apart_by_their_words():
    slices = sliced(report(8, words=(64, 65, 256, 257)))
    assert labels(slices, "length") == {
        "up to 64 words": 2,
        "65–128 words": 2,
        "129–256 words": 2,
        "more than 256 words": 2,
    }


def test_shared_words_are_told_apart_at_their_borders():
    shared = np.array([0.0, 0.199, 0.2, 0.5, 0.999, 1.0, np.nan, 3 / 5])
    slices = sliced(report(8), shared=shared)
    assert labels(slices, "overlap") == {
        "0–20 % of words shared": 2,
        "20–40 % of words shared": 1,
        "40–60 % of words shared": 1,
        "60–80 % of words shared": 1,
        "80–99 % of words shared": 1,
        "all words shared": 1,
    }


def test_documents_go_by_their_path_and_the_small_ones_together():
    n = MAX_DOCUMENTS + 5
    dataset = report(3 * n, n_documents=n)
    slices = sliced(dataset, paths={"d0": "contracts/lease.pdf"})
    found = labels(slices, "document")
    assert len(found) == MAX_DOCUMENTS + 1
    assert next(iter(found.items())) == ("contracts/lease.pdf", 3)
    assert list(found)[-1] == "others"
    assert found["others"] == 15


def test_one_document_more_than_are_shown_stands_for_itself():
    dataset = report(2 * (MAX_DOCUMENTS + 1), n_documents=MAX_DOCUMENTS + 1)
    found = labels(sliced(dataset), "document")
    assert len(found) == MAX_DOCUMENTS + 1
    assert "others" not in found


def test_an_imported_set_knows_no_documents():
    assert labels(sliced(report(6, n_documents=6)), "document") == {}


def test_languages_need_more_than_a_question_or_two():
    german = "Wie wird das Geld für eine Reise nach der Rückkehr auf dem Konto verbucht"
    english = "How is the money for a trip that was made in the year paid to the account"
    queries = [Query(f"q{i}", f"{german if i < 25 else english} {i}") for i in range(60)]
    assert labels(sliced(with_queries(report(60), queries)), "language") == {"en": 35, "de": 25}
    queries = [Query(f"q{i}", f"{german if i < 3 else english} {i}") for i in range(60)]
    assert labels(sliced(with_queries(report(60), queries)), "language") == {}


def test_a_slice_holds_everyones_result_and_the_difference_to_the_baseline():
    hit = [1.0, 0.0] * 30
    even, odd = sliced(report(60), hit)
    assert (even.label, odd.label) == ("d0", "d1")
    assert even.results["tuned"].value == even.differences["tuned"].value == 1.0
    assert odd.results["tuned"].value == odd.differences["tuned"].value == 0.0
    assert "base" not in even.differences
    # Within one document its passages are what is resampled, or nothing could be said.
    assert even.differences["tuned"].low > 0.7
    assert even.is_ranked


def test_a_slice_of_few_questions_is_not_ranked():
    assert not any(part.is_ranked for part in sliced(report(10)))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same_slices(seed: int):
    hit = np.random.default_rng(5).random(60) < 0.9
    once, again = (sliced(report(60), hit.astype(float), seed=seed) for _ in range(2))
    assert [part.results for part in once] == [part.results for part in again]
