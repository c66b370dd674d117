"""Cohere's `/v1/rerank`: a tuned cross-encoder puts documents in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from homing.deployment.server.embeddings import check_lengths
from homing.deployment.server.limits import Limits
from homing.deployment.server.model import CHARACTERS_IN_TOKEN
from homing.deployment.server.refusals import unprocessable
from homing.deployment.server.schemas import RerankRequest
from homing.types import content_id

Pair = tuple[str, str]


def estimate(pair: Pair, max_tokens: int = 512) -> int:
    """Return about how many tokens a cross-encoder reads of a pair."""
    return min(max_tokens, 3 + (len(pair[0]) + len(pair[1])) // CHARACTERS_IN_TOKEN)


def pairs_of(asked: RerankRequest, limits: Limits) -> list[Pair]:
    """Return the question with each document.

    Raises:
        Refusal: They are too many, or one is too long: 422.
    """
    if len(asked.documents) > limits.max_documents:
        raise unprocessable(
            f"The request holds {len(asked.documents):,} documents; at most "
            f"{limits.max_documents:,} are taken. Send the best that a search found.",
            param="documents",
            code="too_many_documents",
        )
    texts = [d if isinstance(d, str) else d.text for d in asked.documents]
    check_lengths([asked.query], limits, "query")
    check_lengths(texts, limits, "documents")
    return [(asked.query, text) for text in texts]


def rerank_json(asked: RerankRequest, pairs: Sequence[Pair], scores: Sequence[float]) -> bytes:
    """Return the answer's JSON, documents best first; equal ones in the order of the request."""
    order = np.argsort(-np.asarray(scores, dtype=np.float32), kind="stable")
    results: list[dict[str, Any]] = []
    for place in order[: asked.top_n].tolist():
        result: dict[str, Any] = {"index": place, "relevance_score": float(scores[place])}
        if asked.return_documents:
            result["document"] = {"text": pairs[place][1]}
        results.append(result)
    meta = {"api_version": {"version": "1"}}
    answer_id = content_id(asked.query, *(text for _, text in pairs))
    return json.dumps({"id": answer_id, "results": results, "meta": meta}).encode()
