"""Specs: each kind is read, and each that is malformed is told from the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.errors import UsageError
from homing.evaluation.specs import (
    Endpoint,
    Fusion,
    Model,
    Onnx,
    Reranking,
    Spec,
    Static,
    Words,
    parse_spec,
)

SMALL = "text-embedding-3-small"


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("bm25", Words()),
        ("BM25", Words()),
        ("BAAI/bge-small-en-v1.5", Model("BAAI/bge-small-en-v1.5")),
        ("../runs/lr=3e-5/model", Model("../runs/lr=3e-5/model")),
        ("tuned/model?dimensions=128", Model("tuned/model", 128)),
        ("BAAI/bge-small-en-v1.5?dimensions=64", Model("BAAI/bge-small-en-v1.5", 64)),
        (f"openai:{SMALL}", Endpoint(SMALL)),
        (f"OpenAI:{SMALL}?dimensions=256&batch=64", Endpoint(SMALL, dimensions=256, batch=64)),
        (
            "openai:m?base_url=http://127.0.0.1:8000/v1&price=0.02",
            Endpoint("m", "http://127.0.0.1:8000/v1", price=0.02),
        ),
        (
            "openai:m?query_prompt=query:%20&passage_prompt=",
            Endpoint("m", query_prompt="query: ", passage_prompt=""),
        ),
        ("openai:org/model:latest", Endpoint("org/model:latest")),
        ("static:minishlab/potion-base-8M", Static("minishlab/potion-base-8M")),
        ("onnx:exported/model_int8.onnx", Onnx("exported/model_int8.onnx")),
        ("fusion(a,b)", Fusion("a", "b")),
        ("fusion( a , b , 0.7 )", Fusion("a", "b", 0.7)),
        ("fusion(a,b,.25)", Fusion("a", "b", 0.25)),
        ("fusion(a,b,rrf)", Fusion("a", "b", None, "rrf")),
        ("fusion(a,b,RRF,0.7)", Fusion("a", "b", 0.7, "rrf")),
        ("fusion(a,b,z,1)", Fusion("a", "b", 1.0, "z")),
        ("rerank(a,cross-encoder/x)", Reranking("a", "cross-encoder/x", 50)),
        ("rerank(a, cross-encoder/x, 20)", Reranking("a", "cross-encoder/x", 20)),
    ],
)
def test_each_kind_is_read(text: str, spec: Spec):
    assert parse_spec(text) == spec


def test_only_a_fusion_that_says_nothing_is_open():
    assert parse_spec("fusion(a,b)").is_open
    for text in ("fusion(a,b,0.5)", "fusion(a,b,rrf)", "fusion(a,b,z)"):
        assert not parse_spec(text).is_open


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("fusion(a)", "names of two contenders"),
        ("fusion(a,b", "no spec that can be read"),
        ("fusion(a,b,2)", "between 0 and 1"),
        ("fusion(a,b,-0.1)", "between 0 and 1"),
        ("fusion(a,b,nan)", "between 0 and 1"),
        ("fusion(a,b,max)", "a method"),
        ("fusion(a,b,0.7,rrf)", "is not a fusion"),
        ("fusion(a,b,z,0.7,1)", "is not a fusion"),
        ("fusion(a b,c)", "is not a fusion"),
        ("rerank(a)", "a cross-encoder"),
        ("rerank(a,)", "a cross-encoder"),
        ("rerank(a,m,0)", "how many passages"),
        ("rerank(a,m,many)", "how many passages"),
        ("average(a,b)", "no spec that can be read"),
        ("openai:", "names no model"),
        ("openai:?dimensions=3", "names no model"),
        ("openai:m?size=3", "no option of an endpoint"),
        ("openai:m?dimensions=many", "no option of an endpoint"),
        ("openai:m?dimensions=0", "whole numbers"),
        ("openai:m?batch", "no option of an endpoint"),
        ("openai:m?base_url=localhost:8000", "no base URL"),
        ("tuned/model?dimensions=half", "no option of a model"),
        ("tuned/model?dimensions=0", "no option of a model"),
        ("tuned/model?size=3", "no option of a model"),
        ("?dimensions=3", "no option of a model"),
        ("static:", "names no model"),
        ("onnx:", "names no model"),
        ("anthropic:claude-haiku-4-5", "no kind of contender"),
    ],
)
def test_each_malformed_spec_is_told_what_it_takes(text: str, what: str):
    with pytest.raises(UsageError, match=what):
        parse_spec(text)


@pytest.mark.parametrize(
    "text", ["openai:m?api_key=sk-secret", "openai:m?base_url=https://me:sk-secret@host/v1"]
)
def test_a_secret_in_a_spec_is_refused_and_not_shown(text: str):
    with pytest.raises(UsageError, match="OPENAI_API_KEY") as caught:
        parse_spec(text)
    assert "sk-secret" not in str(caught.value)


def test_a_folder_may_have_a_name_that_looks_like_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("model(1)", "run:3"):
        (tmp_path / name).mkdir()
        assert parse_spec(name) == Model(name)
