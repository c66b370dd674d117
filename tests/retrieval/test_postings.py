"""The index of words scores as bm25s does, bit by bit, in memory and from files."""

from __future__ import annotations

from pathlib import Path

import bm25s
import numpy as np
import pytest

from homing.retrieval import postings
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.postings import K1, B, index_terms, open_postings

VOCABULARY = [f"word{number}" for number in range(300)]


def corpus(n: int = 500) -> list[list[str]]:
    """Passages of 0 to 60 terms, some of which come several times; common terms are common."""
    random = np.random.default_rng(5)
    chances = 1 / np.arange(1, len(VOCABULARY) + 1)
    return [
        random.choice(VOCABULARY, random.integers(0, 60), p=chances / chances.sum()).tolist()
        for _ in range(n)
    ]


@pytest.mark.parametrize("in_chunk", [7, 8192])
def test_scores_are_those_of_bm25s(monkeypatch: pytest.MonkeyPatch, in_chunk: int) -> None:
    monkeypatch.setattr(postings, "PASSAGES_IN_CHUNK", in_chunk)
    passages = corpus()
    index = index_terms(passages)
    theirs = bm25s.BM25(k1=K1, b=B, method="lucene")
    theirs.index(passages, show_progress=False)
    for asked in (["word0"], ["word3", "word250", "word3"], VOCABULARY[::7]):
        row = np.zeros(len(passages), dtype=np.float32)
        index.add([*asked, "never seen"], row)
        known = [term for term in asked if term in theirs.vocab_dict]
        np.testing.assert_array_equal(row, theirs.get_scores(known))
        assert row.any()


def test_a_saved_index_is_mapped_and_scores_the_same(tmp_path: Path) -> None:
    texts = [" ".join(terms) for terms in corpus()]
    made = BM25Retriever(texts, "en")
    made.postings.save(tmp_path / "words")
    found = open_postings(tmp_path / "words")
    assert isinstance(found.scores, np.memmap)
    asked = ["word4 word200 word77", "", "nothing of it"]
    np.testing.assert_array_equal(BM25Retriever.over(found, "en").scores(asked), made.scores(asked))
    assert made.index_bytes == found.n_bytes > 0


def test_a_corpus_without_terms_is_saved_too(tmp_path: Path) -> None:
    index_terms([[], []]).save(tmp_path)
    row = np.zeros(2, dtype=np.float32)
    open_postings(tmp_path).add(["word"], row)
    assert not row.any()
