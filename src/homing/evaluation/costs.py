"""What contenders cost on this machine: rates, latency, the size of an index, dollars.

Vectors that were kept are left aside, so that what is timed is what a deployment would do. Where
calls cost money, `N_PAID` questions are asked again and no passage is embedded again. Cost: some
`2 * (PASSAGES_S + QUESTIONS_S + ALONE_S)` seconds for each contender, more where single texts take
long; a contender that is made of others does not embed their passages again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from homing.llm.embedding import EndpointEncoder
from homing.llm.provider import ProviderError
from homing.llm.tokens import estimate_tokens
from homing.progress import muted, say
from homing.retrieval.adapted import AdaptedEncoder
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.reranking import RerankedRetriever
from homing.retrieval.search import search, top_k
from homing.retrieval.truncating import TruncatedEncoder
from homing.timing import one_by_one_s, seconds_of
from homing.types import Cost, Encoder, Retriever, TopKRetriever

PASSAGES_S, QUESTIONS_S, ALONE_S = 2.0, 1.5, 1.5
"""Twice each: a model is slower the first time that it sees texts of some length."""
N_EMBEDDED = 200
N_INDEXED = 2_000
N_QUESTIONS = 500
N_ALONE = 50
N_COUNTED = 1_000
"""Passages whose tokens are counted for a price."""
N_PAID = 20
GROWTH = 8
TOP = 10
"""As many passages are ranked as an application asks for."""


def measure_costs(
    built: Mapping[str, Retriever], passages: Sequence[str], questions: Sequence[str]
) -> dict[str, Cost]:
    """Return what each contender costs; None where a cost does not apply or cannot be had.

    Args:
        built: Contender -> its retriever over the corpus, members before what is made of them.
        passages: What `passage_input` gives for each passage of that corpus.
        questions: Some to time with, at least one.
    """
    passages, questions = _shuffled(passages, N_INDEXED), _shuffled(questions, N_QUESTIONS)
    rates: dict[int, float | None] = {}
    costs = {}
    for name, retriever in built.items():
        say(f"Measuring what {name} costs")
        known = Cost(
            dimensions=_dimensions(retriever),
            index_bytes=index_bytes(retriever),
            usd_per_million_passages=_usd_per_million_passages(retriever, passages),
        )
        try:
            with muted():
                known = _with_times(known, retriever, questions)
                rates[id(retriever)] = _passages_per_s(retriever, passages, rates)
            known = replace(known, passages_per_s=rates[id(retriever)])
        except ProviderError as error:
            say(f"How fast {name} is cannot be said: {error}")
        costs[name] = known
    return costs


def index_bytes(retriever: Retriever) -> int | None:
    """Return what must be kept to search the corpus: vectors or postings; None if unknown."""
    if isinstance(retriever, DenseRetriever):
        return 4 * retriever.n_passages * retriever.encoder.dimensions
    if isinstance(retriever, BM25Retriever):
        return retriever.index_bytes
    parts = [index_bytes(member) for member in _members(retriever).values()]
    return sum(part or 0 for part in parts) if parts and None not in parts else None


def without_kept_vectors(retriever: Retriever) -> Retriever:
    """Return the same retriever over the same index, which looks no vector and no pair up."""

    return _with_encoders(retriever, _bare)


def _with_vectors_of_endpoints(retriever: Retriever) -> Retriever:
    """Return the same, but endpoints' vectors are kept: they are timed by themselves."""

    def kept(encoder: Encoder) -> Encoder:
        if not isinstance(_source(encoder), EndpointEncoder):
            return _bare(encoder)
        return encoder if isinstance(encoder, CachedEncoder) else CachedEncoder(encoder)

    return _with_encoders(retriever, kept)


def _with_encoders(retriever: Retriever, change: Callable[[Encoder], Encoder]) -> Retriever:
    changed = copy.copy(retriever) if isinstance(retriever, DenseRetriever) else None
    if changed is not None:
        changed.encoder = change(changed.encoder)
        return changed
    members = _members(retriever)
    whole = copy.copy(retriever) if members else retriever
    if isinstance(retriever, RerankedRetriever):
        whole = retriever.reading_anew()
    for name, member in members.items():
        setattr(whole, name, _with_encoders(member, change))
    return whole


def _members(retriever: Retriever) -> dict[str, Retriever]:
    """Return the retrievers that this one is made of by attribute, such as those of a fusion."""
    parts: dict[str, object] = getattr(retriever, "__dict__", {})
    return {name: part for name, part in parts.items() if isinstance(part, Retriever)}


def _bare(encoder: Encoder) -> Encoder:
    """Return an encoder that looks no vector up, but maps and cuts them as this one does."""
    if isinstance(encoder, AdaptedEncoder):
        return AdaptedEncoder(_bare(encoder.encoder), encoder.adapter)
    if isinstance(encoder, TruncatedEncoder):
        return TruncatedEncoder(_bare(encoder.encoder), encoder.dimensions)
    if isinstance(encoder, CachedEncoder):
        return _bare(encoder.encoder)
    return encoder.asking_anew() if isinstance(encoder, EndpointEncoder) else encoder


def _source(encoder: Encoder) -> Encoder:
    """Return what embeds, without cache and map."""
    while isinstance(encoder, CachedEncoder | AdaptedEncoder | TruncatedEncoder):
        encoder = encoder.encoder
    return encoder


def _endpoints(retriever: Retriever) -> list[EndpointEncoder]:
    if isinstance(retriever, DenseRetriever):
        encoder = _source(retriever.encoder)
        return [encoder] if isinstance(encoder, EndpointEncoder) else []
    return [e for member in _members(retriever).values() for e in _endpoints(member)]


def _dimensions(retriever: Retriever) -> int | None:
    """Return the length of its vectors, None where there are none or several kinds."""
    if isinstance(retriever, DenseRetriever):
        return retriever.encoder.dimensions
    members = list(_members(retriever).values())
    return _dimensions(members[0]) if len(members) == 1 else None


def _usd_per_million_passages(retriever: Retriever, passages: Sequence[str]) -> float | None:
    prices = [endpoint.usd_per_million for endpoint in _endpoints(retriever)]
    if not prices or None in prices:
        return None
    mean_tokens = float(np.mean([estimate_tokens(text) for text in passages[:N_COUNTED]]))
    return mean_tokens * sum(price or 0.0 for price in prices)


def _costs_money(endpoints: Sequence[EndpointEncoder]) -> bool:
    return any(endpoint.usd_per_million != 0 for endpoint in endpoints)


def _passages_per_s(
    retriever: Retriever, passages: Sequence[str], known: Mapping[int, float | None]
) -> float | None:
    """Return how many passages can be taken into the index in a second, None if unknown."""
    if id(retriever) in known:
        return known[id(retriever)]
    if _costs_money(_endpoints(retriever)):
        return None
    if isinstance(retriever, DenseRetriever):
        fresh = _bare(retriever.encoder)
        return _rate(fresh.encode_passages, passages[:N_EMBEDDED], PASSAGES_S)
    if isinstance(retriever, BM25Retriever):
        language = retriever.language
        return _rate(lambda texts: BM25Retriever(texts, language), passages, PASSAGES_S)
    members = _members(retriever).values()
    rates = [_passages_per_s(member, passages, known) for member in members]
    return 1 / sum(1 / rate for rate in rates if rate) if rates and all(rates) else None


def _with_times(cost: Cost, retriever: Retriever, questions: Sequence[str]) -> Cost:
    """Return the cost with what is told of questions."""
    if _costs_money(_endpoints(retriever)):
        questions = questions[:N_PAID]
    p50_s, p95_s = np.percentile(_alone_s(retriever, questions[:N_ALONE]), [50, 95])
    passage_ids = [str(row) for row in range(retriever.n_passages)]
    fresh = without_kept_vectors(retriever)

    def answer(texts: Sequence[str]) -> object:
        return search(fresh, [str(row) for row in range(len(texts))], texts, passage_ids, TOP)

    rate = _rate(answer, questions, QUESTIONS_S)
    p50_ms, p95_ms = 1000 * float(p50_s), 1000 * float(p95_s)
    return replace(cost, queries_per_s=rate, p50_ms=p50_ms, p95_ms=p95_ms)


def _alone_s(retriever: Retriever, questions: Sequence[str]) -> list[float]:
    """Return how long each question takes by itself, from its text to its ranked passages, in s."""
    local = _with_vectors_of_endpoints(retriever)

    def answer(texts: Sequence[str]) -> object:
        if isinstance(local, TopKRetriever):
            return local.search(texts, TOP)
        return top_k(local.scores(texts), TOP)

    endpoints = _endpoints(retriever)
    away = [_away_s(endpoint, questions) for endpoint in endpoints]
    questions = questions[: min(map(len, away), default=len(questions))]
    # The second time, models know the lengths and endpoints' vectors are at hand.
    warm_s = one_by_one_s(answer, questions, ALONE_S)
    times = one_by_one_s(answer, questions[: len(warm_s)], ALONE_S)
    return [sum(parts) for parts in zip(times, *away, strict=False)]


def _away_s(endpoint: EndpointEncoder, questions: Sequence[str]) -> list[float]:
    """Return how long an endpoint takes for as many of the questions as there is time for."""
    first = endpoint.seconds_alone(questions[:2])
    n = max(2, int(ALONE_S / max(first[-1], 1e-9)))
    if len(questions) <= 2:
        return first
    # The first call also makes the connection.
    return endpoint.seconds_alone(questions[:n])[1:]


def _rate(work: Callable[[Sequence[str]], object], texts: Sequence[str], limit_s: float) -> float:
    """Return texts a second, of the largest part of them for which `limit_s` leaves time.

    Parts grow from one text on, so that what is slow is not asked for much; a part that is hardly
    larger than the one before would tell no more. The last is timed when it comes again.
    """
    n, spent_s = 1, 0.0
    while True:
        took_s = seconds_of(work, texts[:n])
        spent_s += took_s
        n_fitting = int((limit_s - spent_s) * n / took_s)
        n_next = min(n_fitting, GROWTH * n, len(texts))
        if n_next <= 1.5 * n:
            return n / seconds_of(work, texts[:n])
        n = n_next


def _shuffled(texts: Sequence[str], n: int) -> list[str]:
    """Return at most `n` of the texts in an order that is always the same."""
    return [texts[row] for row in np.random.default_rng(0).permutation(len(texts))[:n]]
