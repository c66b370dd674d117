"""Contenders: who takes part, in which order, and what is wrong said plainly."""

from __future__ import annotations

import pytest

from homing.errors import UsageError
from homing.evaluation.contenders import (
    Contender,
    in_building_order,
    parse_beside,
    parse_contender,
    parse_contenders,
)
from homing.evaluation.specs import Fusion
from homing.retrieval.bm25 import BM25Retriever


def test_a_contender_is_a_name_and_a_spec():
    assert parse_contender("words=BM25").spec == "bm25"
    assert parse_contender("tuned = W/model").model_spec == "W/model"
    assert parse_contender("base=BAAI/bge-small-en").model_spec == "BAAI/bge-small-en"
    assert parse_contender("odd=runs/lr=3e-5/model").spec == "runs/lr=3e-5/model"
    both = parse_contender("both=fusion(words, tuned)")
    assert both.fusion == Fusion("words", "tuned")
    assert both.model_spec is None
    assert both.members == ("words", "tuned")
    assert parse_contender("read=rerank(words,some/model)").members == ("words",)
    assert parse_contender("words=bm25").members == ()


@pytest.mark.parametrize("text", ["bm25", "=bm25", "name=", "two words=bm25"])
def test_bad_syntax_is_answered_with_the_right_one(text: str):
    with pytest.raises(UsageError, match=r"NAME=SPEC.*openai:MODEL.*fusion\(A,B\)"):
        parse_contender(text)


def test_what_is_made_of_others_may_be_named_before_them():
    contenders = parse_contenders(
        ["read=rerank(both,some/model)", "both=fusion(a,b)", "a=bm25", "b=bm25"]
    )
    assert [c.name for c in contenders] == ["read", "both", "a", "b"]
    assert [c.name for c in in_building_order(contenders)] == ["a", "b", "both", "read"]


def test_unknown_members_double_names_circles_and_nothing_are_refused():
    with pytest.raises(
        UsageError, match=r"'tuned', which is no contender\. There are: words, both"
    ):
        parse_contenders(["words=bm25", "both=fusion(words,tuned)"])
    with pytest.raises(UsageError, match=r"rerank\(tuned,m/x\) names 'tuned'"):
        parse_contenders(["words=bm25", "read=rerank(tuned,m/x)"])
    with pytest.raises(UsageError, match="Two contenders are called 'a'"):
        parse_contenders(["a=bm25", "a=bm25"])
    with pytest.raises(UsageError, match="circle: x → y → x"):
        parse_contenders(["w=bm25", "x=fusion(w,y)", "y=fusion(w,x)"])
    with pytest.raises(UsageError, match="circle: x → x"):
        parse_contenders(["w=bm25", "x=rerank(x,m/x)"])
    with pytest.raises(UsageError, match="no contender to evaluate"):
        parse_contenders([])


def test_contenders_of_the_settings_may_be_made_of_a_workspaces_own():
    (both,) = parse_beside(["mix=fusion(base,tuned)"], ["base", "tuned"])
    assert both.name == "mix"
    with pytest.raises(UsageError, match="Two contenders are called 'base'"):
        parse_beside(["base=bm25"], ["base", "tuned"])
    with pytest.raises(UsageError, match="'small', which is no contender"):
        parse_beside(["mix=fusion(base,small)"], ["base", "tuned"])


def test_the_spec_of_what_is_given_from_python_is_free_text():
    given = Contender("given", "fusion(a,b", BM25Retriever(["a passage"]))
    assert given.fusion is None
    assert given.parsed is None
    assert given.members == ()
