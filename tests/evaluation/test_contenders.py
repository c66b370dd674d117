"""Contenders: from `name=spec` to retrievers, and what is wrong said plainly."""

from __future__ import annotations

import numpy as np
import pytest

from homing.errors import UsageError
from homing.evaluation.contenders import (
    Contender,
    Fusion,
    build_retriever,
    in_building_order,
    parse_contender,
    parse_contenders,
)
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.fusion import FusedRetriever


def test_the_three_kinds_of_spec_are_read():
    assert parse_contender("words=BM25").spec == "bm25"
    assert parse_contender("tuned = W/model").model_spec == "W/model"
    assert parse_contender("base=BAAI/bge-small-en").model_spec == "BAAI/bge-small-en"
    both = parse_contender("both=fusion(words, tuned)")
    assert both.fusion == Fusion("words", "tuned", 0.5)
    assert both.model_spec is None
    assert parse_contender("mix=fusion(words,tuned,0.7)").fusion == Fusion("words", "tuned", 0.7)
    assert parse_contender("odd=runs/lr=3e-5/model").spec == "runs/lr=3e-5/model"


@pytest.mark.parametrize(
    "text",
    ["bm25", "=bm25", "name=", "two words=bm25", "f=fusion(a)", "f=fusion(a,b", "f=fusion(a,b,2)"],
)
def test_bad_syntax_is_answered_with_the_right_one(text: str):
    with pytest.raises(UsageError, match=r"NAME=SPEC.*fusion\(A,B\)"):
        parse_contender(text)


def test_a_fusion_may_be_named_before_its_members():
    contenders = parse_contenders(["both=fusion(a,b)", "a=bm25", "b=bm25"])
    assert [c.name for c in contenders] == ["both", "a", "b"]
    assert [c.name for c in in_building_order(contenders)] == ["a", "b", "both"]


def test_unknown_members_double_names_circles_and_nothing_are_refused():
    with pytest.raises(
        UsageError, match=r"'tuned', which is no contender\. There are: words, both"
    ):
        parse_contenders(["words=bm25", "both=fusion(words,tuned)"])
    with pytest.raises(UsageError, match="Two contenders are called 'a'"):
        parse_contenders(["a=bm25", "a=bm25"])
    with pytest.raises(UsageError, match="circle: x → y → x"):
        parse_contenders(["w=bm25", "x=fusion(w,y)", "y=fusion(w,x)"])
    with pytest.raises(UsageError, match="circle: x → x"):
        parse_contenders(["w=bm25", "x=fusion(w,x)"])
    with pytest.raises(UsageError, match="no contender to evaluate"):
        parse_contenders([])


class FirstLetters:
    """An encoder from Python: one-hot first letters."""

    key, dimensions = "first letters", 26

    def encode_queries(self, texts):
        return np.eye(26, dtype=np.float32)[[ord(t[0].lower()) - 97 for t in texts]]

    encode_passages = encode_queries


def test_encoders_and_retrievers_from_python_take_part():
    texts = ["apples fall", "bears sleep"]
    words = build_retriever(Contender("words", "bm25"), texts, {})
    letters = build_retriever(Contender("letters", "mine", FirstLetters()), texts, {})
    assert isinstance(words, BM25Retriever)
    assert isinstance(letters, DenseRetriever)
    assert build_retriever(Contender("own", "mine", words), texts, {}) is words
    built = {"words": words, "letters": letters}
    both = build_retriever(Contender("both", "fusion(words,letters)"), texts, built)
    assert isinstance(both, FusedRetriever)
    assert both.scores(["bee sleeping"]).argmax() == 1
    assert Contender("given", "fusion(a,b)", words).fusion is None
