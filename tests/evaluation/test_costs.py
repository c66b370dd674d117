"""What contenders cost: every number that applies, and no kept vector taken for speed."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import numpy as np
import pytest

from homing import timing
from homing.evaluation import costs as module
from homing.evaluation.costs import index_bytes, measure_costs, without_kept_vectors
from homing.llm.embedding import EndpointEncoder, EndpointSettings
from homing.llm.ledger import Ledger
from homing.llm.testing import ModelVectors, TestServer
from homing.llm.tokens import estimate_tokens
from homing.llm.tries import Limits
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.encoders import encoder_for
from homing.retrieval.fusion import FusedRetriever
from homing.retrieval.reranking import KeptScorer, RerankedRetriever

PASSAGES = [
    f"Chapter {i}. The harbour master of berth {i} signs the log before boats leave at {i} o'clock."
    for i in range(60)
]
QUESTIONS = [f"who signs the log of berth {i}" for i in range(20)]


class Counting:
    """An encoder that writes down how many texts it was asked to embed."""

    key, dimensions = "counting", 8

    def __init__(self) -> None:
        self.n_texts = {"query": 0, "passage": 0}

    def _encode(self, texts, side):
        self.n_texts[side] += len(texts)
        table = np.array([[1.0 + len(t) % (i + 2) for i in range(8)] for t in texts], np.float32)
        return table / np.linalg.norm(table, axis=1, keepdims=True)

    def encode_queries(self, texts):
        return self._encode(texts, "query")

    def encode_passages(self, texts):
        return self._encode(texts, "passage")


class Own:
    """A retriever of the user's own, of which nothing is known."""

    n_passages = len(PASSAGES)

    def scores(self, queries):
        return np.zeros((len(queries), self.n_passages), dtype=np.float32)


@pytest.fixture
def dense() -> DenseRetriever:
    return DenseRetriever(CachedEncoder(Counting()), PASSAGES)


def test_a_real_model_has_every_cost_but_a_price(tiny_model):
    dense = DenseRetriever(CachedEncoder(encoder_for(str(tiny_model))), PASSAGES)
    found = measure_costs({"base": dense}, PASSAGES, QUESTIONS)["base"]
    assert found.passages_per_s > 0
    assert found.queries_per_s > 0
    assert 0 < found.p50_ms <= found.p95_ms
    assert found.dimensions == 32
    assert found.index_bytes == 60 * 32 * 4
    assert found.usd_per_million_passages is None


def test_timing_embeds_anew_what_is_kept_and_at_most_some(dense):
    encoder = dense.encoder.encoder
    dense.scores(QUESTIONS)
    before = dict(encoder.n_texts)
    measure_costs({"base": dense}, PASSAGES * 20, QUESTIONS)
    assert encoder.n_texts["query"] > before["query"]
    assert 0 < encoder.n_texts["passage"] - before["passage"] <= 3 * module.N_EMBEDDED


def test_a_fusion_costs_what_its_members_cost_and_embeds_no_passage_again(dense):
    words = BM25Retriever(PASSAGES)
    built = {"base": dense, "words": words, "both": FusedRetriever(words, dense)}
    encoder = dense.encoder.encoder
    measure_costs({"base": dense}, PASSAGES, QUESTIONS)
    once = encoder.n_texts["passage"]
    found = measure_costs(built, PASSAGES, QUESTIONS)
    assert encoder.n_texts["passage"] - once == once - len(PASSAGES)
    both, base, bm25 = found["both"], found["base"], found["words"]
    assert both.index_bytes == base.index_bytes + bm25.index_bytes
    assert 1 / both.passages_per_s == pytest.approx(
        1 / base.passages_per_s + 1 / bm25.passages_per_s
    )
    assert (bm25.dimensions, both.dimensions) == (None, None)


def test_an_index_of_words_grows_with_the_corpus():
    small, large = BM25Retriever(PASSAGES[:10]), BM25Retriever(PASSAGES)
    assert 0 < small.index_bytes < large.index_bytes
    assert BM25Retriever(["", "the"]).index_bytes == 0


@pytest.fixture
def served(tiny_model, tmp_path):
    """Start servers of a model; give each with a retriever that asks it at a price."""
    with ExitStack() as stack:
        yield partial(serve, stack, tiny_model, tmp_path)


def serve(stack, tiny_model, tmp_path, price, ledger=True):
    server = stack.enter_context(TestServer(embedder=ModelVectors(tiny_model)))
    path = tmp_path / "ledger.sqlite" if ledger else None
    limits = Limits(max_tries=2, backoff_s=0.001, max_backoff_s=0.01)
    settings = EndpointSettings(server.url, price=price, ledger=path, limits=limits)
    return server, DenseRetriever(CachedEncoder(EndpointEncoder("tiny", settings)), PASSAGES)


def test_an_endpoint_that_costs_money_embeds_no_passage_again_and_few_questions(served):
    server, dense = served(0.02)
    before = server.counts.answered
    found = measure_costs({"api": dense}, PASSAGES, QUESTIONS)["api"]
    tokens = np.mean([estimate_tokens(text) for text in PASSAGES])
    assert found.usd_per_million_passages == pytest.approx(0.02 * tokens)
    assert found.passages_per_s is None
    assert 0 < found.p50_ms <= found.p95_ms
    assert found.queries_per_s > 0
    assert (found.dimensions, found.index_bytes) == (32, 60 * 32 * 4)
    n_asked = server.counts.answered - before
    assert 0 < n_asked <= 4 * module.N_PAID


def test_what_timing_spends_is_in_the_ledger(served, tmp_path):
    server, dense = served(0.02)
    measure_costs({"api": dense}, PASSAGES, QUESTIONS)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        spent = ledger.spent(purpose="embed", provider="openai:tiny")
    assert spent.input_tokens == server.counts.input_tokens > 0


def test_an_endpoint_in_the_house_is_timed_in_full(served):
    _, dense = served(None, ledger=False)
    both = FusedRetriever(BM25Retriever(PASSAGES), dense)
    found = measure_costs({"api": dense, "both": both}, PASSAGES, QUESTIONS)
    assert found["api"].usd_per_million_passages == 0.0
    assert found["api"].passages_per_s > 0
    assert found["both"].p50_ms > 0
    assert found["both"].usd_per_million_passages == 0.0


def test_an_endpoint_that_is_gone_leaves_what_is_known(served, capsys):
    server, dense = served(0.02)
    server.stop()
    found = measure_costs({"api": dense}, PASSAGES, QUESTIONS)["api"]
    assert found.usd_per_million_passages is not None
    assert (found.p50_ms, found.queries_per_s, found.dimensions) == (None, None, 32)
    assert "cannot be said" in capsys.readouterr().err


def test_a_retriever_of_ones_own_is_timed_and_the_rest_left_open():
    found = measure_costs({"own": Own()}, PASSAGES, QUESTIONS)["own"]
    assert found.queries_per_s > 0
    assert found.p50_ms > 0
    assert (found.passages_per_s, found.dimensions, found.index_bytes) == (None, None, None)


def test_a_fusion_with_a_retriever_of_ones_own_has_no_known_size(dense):
    found = measure_costs({"both": FusedRetriever(Own(), dense)}, PASSAGES, QUESTIONS)["both"]
    assert (found.passages_per_s, found.index_bytes) == (None, None)
    assert index_bytes(Own()) is None


def test_without_kept_vectors_a_retriever_gives_the_same_scores(dense):
    fused = FusedRetriever(BM25Retriever(PASSAGES), dense, 0.7)
    bare = without_kept_vectors(fused)
    assert np.array_equal(bare.scores(QUESTIONS), fused.scores(QUESTIONS))
    assert isinstance(dense.encoder, CachedEncoder)


def test_a_corpus_of_one_passage_and_a_single_question_can_be_timed():
    dense = DenseRetriever(Counting(), PASSAGES[:1])
    found = measure_costs({"base": dense}, PASSAGES[:1], QUESTIONS[:1])["base"]
    assert found.index_bytes == 32
    assert found.p50_ms == found.p95_ms


def test_slow_work_is_measured_on_no_more_than_fits(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    taken: list[int] = []

    def work(texts):
        taken.append(len(texts))
        now[0] += len(texts) + (2.0 if len(taken) == 1 else 0.0)

    # The first takes three seconds, so five fit into what is left; they take one each, so twelve.
    assert module._rate(work, PASSAGES, 20.0) == 1.0
    assert taken == [1, 5, 12, 12]
    taken.clear()
    assert module._rate(work, PASSAGES[:10], 100.0) == 1.0
    assert taken == [1, 8, 8]


def test_what_a_reranker_read_before_it_reads_again(dense):
    class Scorer:
        dimensions, key, n_pairs = 1, "lengths", 0

        def score(self, pairs):
            self.n_pairs += len(pairs)
            return np.array([len(passage) for _, passage in pairs], dtype=np.float32)

    scorer = Scorer()
    reranked = RerankedRetriever(dense, KeptScorer(scorer), PASSAGES, 5)
    reranked.scores(QUESTIONS)
    before = scorer.n_pairs
    found = measure_costs({"base": dense, "reranked": reranked}, PASSAGES, QUESTIONS)
    assert scorer.n_pairs > before
    base, top = found["base"], found["reranked"]
    assert (top.index_bytes, top.dimensions) == (base.index_bytes, base.dimensions)
    assert top.passages_per_s == pytest.approx(base.passages_per_s)
