"""Rerankers: the first passages are read again, the rest keep their order below."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handbook_sentences import HANDBOOK
from homing.errors import ModelNotFoundError
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.reranking import (
    KeptScorer,
    RerankedRetriever,
    find_reranker,
    load_reranker,
)
from homing.retrieval.search import search, top_k
from homing.types import Retriever

TEXTS = list(HANDBOOK.values())
ASKED = ["how long is parental leave", "who pays for the travel to the office"]


class ByLength:
    """A scorer that holds the longest passage for the best answer."""

    def __init__(self) -> None:
        self.n_read = 0

    def score(self, pairs):
        self.n_read += len(pairs)
        return np.array([len(passage) for _, passage in pairs], dtype=np.float32)


def ranked(retriever: Retriever, query: str) -> list[int]:
    run = search(retriever, ["q"], [query], [str(i) for i in range(len(TEXTS))], len(TEXTS))
    return run.ranking[0].tolist()


def test_the_first_are_ordered_anew_and_the_rest_keeps_its_order_below():
    below, scorer = BM25Retriever(TEXTS), ByLength()
    reranked = RerankedRetriever(below, scorer, TEXTS, 4)
    assert isinstance(reranked, Retriever)
    before, after = ranked(below, ASKED[0]), ranked(reranked, ASKED[0])
    assert after[:4] == sorted(before[:4], key=lambda i: -len(TEXTS[i]))
    assert after[4:] == before[4:]
    assert scorer.n_read == 4


def test_more_passages_than_there_are_means_all_of_them():
    reranked = RerankedRetriever(BM25Retriever(TEXTS), ByLength(), TEXTS, 10_000)
    lengths = [len(TEXTS[i]) for i in ranked(reranked, ASKED[0])]
    assert lengths == sorted(lengths, reverse=True)
    empty = RerankedRetriever(BM25Retriever([]), ByLength(), [], 5)
    assert empty.scores(ASKED).shape == (2, 0)


class Fixed:
    """A retriever whose scores are written down."""

    def __init__(self, row: np.ndarray) -> None:
        self.row, self.n_passages = row, len(row)

    def scores(self, queries):
        return np.tile(self.row, (len(queries), 1))


class Given:
    """A scorer whose scores of passages "0", "1", ... are written down."""

    def __init__(self, scores: list[float]) -> None:
        self._scores = scores

    def score(self, pairs):
        return np.array([self._scores[int(passage)] for _, passage in pairs], dtype=np.float32)


@given(
    st.integers(1, 12),
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.0, 0.25, 0.5, 1e-7, -3.0, 17.5]), st.integers(0, 5)),
        min_size=1,
        max_size=12,
    ),
)
def test_however_scores_tie_the_order_is_the_cross_encoders_and_then_the_old_one(
    depth: int, passages: list[tuple[float, int]]
):
    row = np.array([score for score, _ in passages], dtype=np.float32)
    found = [float(said) for _, said in passages]
    texts = [str(i) for i in range(len(row))]
    scores = RerankedRetriever(Fixed(row), Given(found), texts, depth).scores(["q"])
    before = top_k(row[None], len(row))[0][0].tolist()
    expected = sorted(before[:depth], key=lambda i: -found[i]) + before[depth:]
    assert top_k(scores, len(row))[0][0].tolist() == expected


def test_scores_stay_of_the_size_they_had():
    row = np.array([9.0, 7.0, 5.0, 1.0], dtype=np.float32)
    scores = RerankedRetriever(Fixed(row), Given([1, 2, 3, 4]), list("0123"), 3).scores(["q"])
    assert scores[0].tolist() == [5.0, 7.0, 9.0, 1.0]


def test_scores_are_those_of_the_library(tiny_reranker: Path):
    from sentence_transformers import CrossEncoder

    scorer = load_reranker(str(tiny_reranker), device="cpu")
    scorer.bf16 = False
    pairs = [(query, text) for query in ASKED for text in TEXTS]
    expected = CrossEncoder(str(tiny_reranker), device="cpu").predict([list(p) for p in pairs])
    assert scorer.score(pairs) == pytest.approx(expected, abs=1e-5)
    assert scorer.score([]).shape == (0,)


def test_a_pair_is_read_once_and_its_score_is_kept_on_disk(tiny_reranker: Path, tmp_path: Path):
    scorer = load_reranker(str(tiny_reranker), device="cpu")
    kept = KeptScorer(scorer, tmp_path)
    first = kept.score([(ASKED[0], text) for text in TEXTS])

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("it is read again")

    scorer.model.predict = never
    again = load_reranker(str(tiny_reranker), device="cpu")
    again.model.predict = never
    assert np.array_equal(kept.score([(ASKED[0], text) for text in TEXTS]), first)
    assert again.key == scorer.key
    later = RerankedRetriever(BM25Retriever(TEXTS), KeptScorer(again, tmp_path), TEXTS, 5)
    assert later.scores(ASKED[:1]).shape == (1, len(TEXTS))
    assert later.folder == kept.folder is not None
    with pytest.raises(AssertionError, match="read again"):
        later.reading_anew().scores(ASKED[:1])


def test_another_state_of_the_model_has_another_key(tiny_reranker: Path, tmp_path: Path):
    other = shutil.copytree(tiny_reranker, tmp_path / "other")
    scorer = load_reranker(str(other), device="cpu")
    assert scorer.key == load_reranker(str(tiny_reranker), device="cpu").key
    with (other / "tokenizer_config.json").open("a") as file:
        file.write("\n")
    assert load_reranker(str(other), device="cpu").key != scorer.key


def test_an_embedding_model_is_no_reranker_and_that_is_found_out_first(tiny_model: Path):
    with pytest.raises(ModelNotFoundError, match=r"is no cross-encoder.*ms-marco-MiniLM"):
        find_reranker(str(tiny_model))


def test_a_model_of_several_scores_is_none_either(tiny_model: Path, tmp_path: Path):
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    config = BertConfig.from_pretrained(str(tiny_model), num_labels=3)
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(str(tiny_model)).save_pretrained(tmp_path)
    with pytest.raises(ModelNotFoundError, match="gives 3 scores for a pair"):
        load_reranker(str(tmp_path))
