"""Search and reranking of a real server, against what `homing.retrieval` finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import ask, running

from handbook_sentences import HANDBOOK
from homing.deployment.bundle import Fusion, load_bundle, make_bundle
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.fusion import FusedRetriever, Method
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.reranking import load_reranker
from homing.retrieval.search import search
from homing.types import Passage, Retriever, passage_input

pytest.importorskip("fastapi")

PASSAGES = [
    Passage(topic, topic, 0, len(text), text, ("Handbook", topic.title()), 3)
    for topic, text in HANDBOOK.items()
]
INPUTS = [passage_input(p.title, p.text) for p in PASSAGES]
QUESTIONS = ["When is the salary paid?", "Where do bicycles stand", "zzz", "a lost laptop"]


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(load_sentence_transformer(str(tiny_model)), bf16=False)


def make(folder: Path, encoder: Any, method: Method, weight: float) -> Any:
    from homing.deployment.server.searching import SearchIndex

    fusion = Fusion(method, weight, "for a test")
    paths = {"travel": "staff/travel.md"}
    make_bundle(folder, PASSAGES, encoder, model="tuned", paths=paths, fusion=fusion, language="en")
    return SearchIndex(load_bundle(folder))


@pytest.fixture(scope="module")
def address(
    encoder: SentenceTransformerEncoder,
    tiny_model: Path,
    tiny_reranker: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    from homing.deployment.server import make_app
    from homing.deployment.server.model import serve_as

    index = make(tmp_path_factory.mktemp("search") / "bundle", encoder, "z", 0.4)
    app = make_app(
        serve_as("tuned", encoder, tiny_model),
        index=index,
        scorer=load_reranker(str(tiny_reranker)),
    )
    with running(app) as address:
        yield f"{address}/v1"


def retriever(encoder: Any, mode: str, method: Method = "z", weight: float = 0.4) -> Retriever:
    words, dense = BM25Retriever(INPUTS, "en"), DenseRetriever(encoder, INPUTS)
    fused = FusedRetriever(words, dense, weight, method)
    return {"bm25": words, "dense": dense, "fused": fused}[mode]


def check(results: list[dict[str, Any]], expected: Retriever, question: str, k: int) -> None:
    run = search(expected, ["q"], [question], list(HANDBOOK), k)
    assert [hit["id"] for hit in results] == run.ranked_ids(0)
    scores = [hit["score"] for hit in results]
    assert np.abs(np.array(scores) - run.scores[0][: len(scores)]).max() < 1e-5


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("mode", ["dense", "bm25", "fused"])
def test_each_mode_finds_what_the_retriever_finds(address, encoder, mode, question):
    status, _, found = ask(f"{address}/search", {"query": question, "mode": mode, "k": 5})
    assert (status, found["mode"]) == (200, mode)
    check(found["results"], retriever(encoder, mode), question, 5)
    assert (found["usage"]["total_tokens"] == 0) == (mode == "bm25")


def test_without_a_mode_the_settled_fusion_is_asked(address, encoder):
    status, _, found = ask(f"{address}/search", {"query": QUESTIONS[0]})
    assert (status, found["mode"], len(found["results"])) == (200, "fused", 10)
    check(found["results"], retriever(encoder, "fused"), QUESTIONS[0], 10)


@pytest.mark.parametrize(("method", "weight"), [("rrf", 0.7), ("z", 1.0), ("rrf", 0.0)])
def test_any_fusion_is_done_as_it_was_measured(encoder, tmp_path, method, weight):
    index = make(tmp_path / "bundle", encoder, method, weight)
    for question in QUESTIONS:
        hits = index.search(question, encoder.encode_queries([question])[0], "fused", 12)
        check(hits, retriever(encoder, "fused", method, weight), question, 12)


def test_a_hit_says_what_it_is_and_where(address):
    body = {"query": "book trains", "mode": "bm25", "k": 100}
    results = ask(f"{address}/search", body)[2]["results"]
    assert len(results) == len(PASSAGES)
    assert {**results[0], "score": None} == {
        "id": "travel",
        "score": None,
        "text": HANDBOOK["travel"],
        "title": "Handbook > Travel",
        "page": 3,
        "path": "staff/travel.md",
    }
    assert results[1]["path"] is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": ["a"]}, "query"),
        ({}, "query"),
        ({"query": "leave", "k": 0}, "k"),
        ({"query": "leave", "k": 1001}, "k"),
        ({"query": "leave", "mode": "magic"}, "mode"),
        ({"question": "leave", "query": "leave"}, "question"),
    ],
)
def test_a_malformed_search_is_a_400_that_names_the_field(address, body, param):
    status, _, answer = ask(f"{address}/search", body)
    assert (status, answer["error"]["param"]) == (400, param)


def test_a_search_by_another_model_is_not_found(address):
    status, _, answer = ask(f"{address}/search", {"query": "leave", "model": "gpt-5"})
    assert (status, answer["error"]["code"]) == (404, "model_not_found")


def test_documents_are_put_in_the_order_of_the_cross_encoder(address, tiny_reranker):
    documents = list(HANDBOOK.values())
    scores = load_reranker(str(tiny_reranker)).score([(QUESTIONS[0], d) for d in documents])
    body = {"query": QUESTIONS[0], "documents": documents}
    status, _, found = ask(f"{address}/rerank", body)
    assert status == 200
    order = np.argsort(-scores, kind="stable").tolist()
    assert [result["index"] for result in found["results"]] == order
    values = [result["relevance_score"] for result in found["results"]]
    assert np.abs(np.array(values) - scores[order]).max() < 1e-2  # bfloat16, other batches
    assert "document" not in found["results"][0]
    mixed = [{"text": text} for text in documents[:6]] + documents[6:]
    body = {"query": QUESTIONS[0], "documents": mixed, "top_n": 3, "return_documents": True}
    best = ask(f"{address}/rerank", body)[2]["results"]
    assert [result["index"] for result in best] == order[:3]
    assert [result["document"]["text"] for result in best] == [documents[n] for n in order[:3]]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": "leave"}, "documents"),
        ({"query": "leave", "documents": []}, "documents"),
        ({"query": "leave", "documents": [""]}, "documents"),
        ({"query": "leave", "documents": [{"title": "x"}]}, "documents"),
        ({"query": "leave", "documents": ["a"], "top_n": 0}, "top_n"),
    ],
)
def test_a_malformed_rerank_is_a_400_that_names_the_field(address, body, param):
    status, _, answer = ask(f"{address}/rerank", body)
    assert (status, answer["error"]["param"]) == (400, param)


def test_too_many_documents_are_a_422(address):
    status, _, answer = ask(f"{address}/rerank", {"query": "leave", "documents": ["a"] * 1001})
    assert (status, answer["error"]["code"]) == (422, "too_many_documents")


def test_without_passages_or_reranker_it_is_said_how_to_get_them(encoder, tiny_model):
    from homing.deployment.server import make_app
    from homing.deployment.server.model import serve_as

    with running(make_app(serve_as("tuned", encoder, tiny_model))) as address:
        status, _, answer = ask(f"{address}/v1/search", {"query": "leave"})
        assert (status, answer["error"]["code"]) == (404, "no_search")
        assert "homing serve MODEL --corpus DATASET" in answer["error"]["message"]
        status, _, answer = ask(f"{address}/v1/rerank", {"query": "a", "documents": ["b"]})
        assert (status, answer["error"]["code"]) == (404, "no_reranker")
        assert "--reranker FOLDER" in answer["error"]["message"]
        health = ask(f"{address}/health")[2]
        assert (health["search"], health["rerank"]) == (False, False)
