"""Dev is scored over the whole corpus only where the vectors are of use afterwards."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from homing.dataset import Dataset
from homing.pipeline.dev_scoring import (
    bounded,
    dev_scorer,
    retriever_scorer,
    with_rivals_alone,
)
from homing.types import FloatArray, Passage, Qrel, Query

TOPICS = ("dogs", "badges", "parking", "coffee", "holidays", "invoices", "laptops", "showers")


class Counting:
    """An encoder by topic that remembers how many passages it was given."""

    key = "counting"
    dimensions = len(TOPICS)

    def __init__(self) -> None:
        self.n_passages = 0

    def _encode(self, texts: list[str]) -> FloatArray:
        found = [[float(topic in text.lower()) for topic in TOPICS] for text in texts]
        rows = np.array(found, dtype=np.float32) + np.float32(1e-3)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    def encode_queries(self, texts: list[str]) -> FloatArray:
        return self._encode(texts)

    def encode_passages(self, texts: list[str]) -> FloatArray:
        self.n_passages += len(texts)
        return self._encode(texts)


def handbook() -> Dataset:
    texts = [f"Rule {n} about {TOPICS[n % len(TOPICS)]} in the office." for n in range(80)]
    corpus = {f"p{n}": Passage(f"p{n}", "handbook", 0, len(t), t) for n, t in enumerate(texts)}
    queries = {"q1": Query("q1", "rule 9 about badges"), "q2": Query("q2", "rule 3 about coffee")}
    return Dataset(corpus, queries, {"train": [Qrel("q1", "p9")], "dev": [Qrel("q2", "p3")]})


def test_the_rivals_are_the_passages_that_share_the_questions_words() -> None:
    small = with_rivals_alone(handbook(), "dev", n_rivals=5)
    assert "p3" in small.corpus
    assert 1 < small.n_passages <= 6
    assert all("coffee" in p.text or p.id == "p3" for p in small.corpus.values())
    assert small.split("dev") == {"q2": {"p3": 1}}


def test_without_a_place_for_vectors_only_the_rivals_are_embedded(tmp_path: Path) -> None:
    alone, whole = Counting(), Counting()
    without, with_cache = (
        dev_scorer(handbook(), "train", None),
        dev_scorer(handbook(), "train", tmp_path),
    )
    assert without is not None
    assert with_cache is not None
    assert 0 < without(alone) <= 1
    assert 0 < with_cache(whole) <= without(alone)
    assert alone.n_passages <= 2 * 11
    assert whole.n_passages == 80


def test_a_retriever_is_scored_over_the_whole_corpus() -> None:
    dataset, seen = handbook(), []

    class Backwards:
        """Finds the passages in the order of the corpus, or the other way round."""

        def __init__(self, texts: list[str], sign: int) -> None:
            self.n_passages, self.sign = len(texts), sign
            seen.append(texts)

        def scores(self, queries: list[str]) -> FloatArray:
            row = self.sign * np.arange(self.n_passages, dtype=np.float32)
            return np.tile(row, (len(queries), 1))

    score = retriever_scorer(dataset, "train")
    assert score is not None
    # Of the only dev question the answer is the fourth passage of eighty.
    assert score(lambda texts: Backwards(texts, -1)) == pytest.approx(1 / np.log2(5))
    assert score(lambda texts: Backwards(texts, 1)) == 0.0
    assert seen == [dataset.passage_texts()] * 2
    assert retriever_scorer(dataset, "dev") is None


def test_of_a_large_corpus_a_part_is_scored_with_all_that_is_judged_for_its_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queries = {f"q{n}": Query(f"q{n}", f"rule {n}") for n in range(30)}
    qrels = {"dev": [Qrel(f"q{n}", f"p{n}", 1) for n in range(30)]}
    qrels["dev"] += [Qrel(f"q{n}", f"p{n + 40}", 0) for n in range(30)]
    dataset = replace(
        handbook(), queries=queries, qrels=qrels, groups={f"p{n}": "twins" for n in (3, 4)}
    )
    assert bounded(dataset, "dev", 40, 10) is dataset
    monkeypatch.setattr("homing.pipeline.embedding.LARGE", 50)
    part = bounded(dataset, "dev", 40, 10)
    assert part.n_passages == 40
    assert len(part.split("dev")) == 10
    assert {qrel.passage_id for qrel in part.qrels["dev"]} <= set(part.corpus)
    assert list(part.corpus) == [key for key in dataset.corpus if key in part.corpus]
    assert bounded(dataset, "dev", 40, 10) == part
    # What is judged comes first, even where there is no room for it.
    assert bounded(dataset, "dev", 5, 10).n_passages == 20


def test_dev_is_scored_over_a_part_of_a_large_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homing.pipeline.embedding.LARGE", 50)
    monkeypatch.setattr("homing.pipeline.dev_scoring.bounded", partial(bounded, most_passages=20))
    encoder = Counting()
    scorer = dev_scorer(handbook(), "train", tmp_path)
    assert scorer is not None
    assert scorer(encoder) > 0
    assert encoder.n_passages == scorer.n_passages == 20
