"""Models behind OpenAI's embeddings: OpenAI itself and every server that speaks like it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from homing.llm.ledger import Ledger
from homing.llm.manners import Ladder
from homing.llm.openai import KEY_VARIABLE, find_server, make_client
from homing.llm.provider import EmbeddingAnswer, EmbeddingRequest, TransientFailure
from homing.llm.remote import RemoteProvider
from homing.llm.tokens import estimate_tokens
from homing.types import FloatArray

ENCODING = Ladder(
    "encoding", ("base64", "unsaid"), re.compile(r"encoding_format|encoding format|base64", re.I)
)
MAX_VECTORS_BYTES = 64 * 2**20
"""Of a reply that holds vectors: a thousand of 3,072 numbers as text."""


class OpenAIEmbedder(RemoteProvider[EmbeddingRequest, EmbeddingAnswer]):
    """Asks a model for vectors, in base64 where the server takes that: a fifth of the bytes."""

    kind = "openai"
    key_variable = KEY_VARIABLE
    path = "/embeddings"
    models_path = "/models"
    ability = "embeds texts"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        ledger: Ledger | None = None,
    ) -> None:
        """Set up; nothing is sent. As for `OpenAIProvider`."""
        server = find_server(base_url, api_key)
        super().__init__(model, server, timeout_s=timeout_s, ladders=[ENCODING], ledger=ledger)

    def _make_client(self) -> Any:
        return make_client(self.server, self._timeout_s, MAX_VECTORS_BYTES)

    def needs(self, request: EmbeddingRequest) -> set[str]:
        return {ENCODING.name}

    def body(self, request: EmbeddingRequest, ways: Mapping[str, str]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "input": list(request.texts)}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if ways[ENCODING.name] != "unsaid":
            body["encoding_format"] = ways[ENCODING.name]
        return body

    def read(self, body: Mapping[str, Any], request: EmbeddingRequest) -> EmbeddingAnswer:
        data = body.get("data")
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        n_tokens = usage.get("prompt_tokens", usage.get("total_tokens"))
        if not isinstance(n_tokens, int) or n_tokens < 0:
            n_tokens = sum(map(estimate_tokens, request.texts))
        return EmbeddingAnswer(read_vectors(data, len(request.texts)), n_tokens)


def read_vectors(data: Any, n: int) -> FloatArray:
    """Return the vectors in the `data` of a reply in the order of what was asked, float32 (n, d).

    Raises:
        TransientFailure: They are not `n`, not of one length, or hold what is no finite number.
    """
    items = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
    if len(items) != n:
        raise TransientFailure("malformed", f"The reply holds {len(items)} vectors for {n} texts.")
    indices = [item.get("index", place) for place, item in enumerate(items)]
    if sorted(map(str, indices)) != sorted(map(str, range(n))):
        raise TransientFailure("malformed", "The reply does not say which vector is of which text.")
    try:
        rows = [_numbers(item.get("embedding")) for item in items]
        vectors = np.empty((n, len(rows[0]) if rows else 0), dtype=np.float32)
        for index, row in zip(indices, rows, strict=True):
            vectors[int(index)] = row
    except (ValueError, TypeError) as error:
        what = f"The reply holds what is no vector, or vectors of several lengths ({error})."
        raise TransientFailure("malformed", what) from error
    if not np.isfinite(vectors).all():
        raise TransientFailure("malformed", "The reply holds a vector of what is no number.")
    return vectors


def _numbers(embedding: Any) -> FloatArray | Sequence[float]:
    """Return the numbers of one vector, as a list or as little-endian float32 in base64."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    if not isinstance(embedding, list) or not embedding:
        raise ValueError(f"an embedding is {str(embedding)[:40]!r}")
    return embedding
