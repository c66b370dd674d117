"""OpenAI's embeddings: requests, vectors as text or in base64, and what faults make of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from homing.llm.testing.behaviour import Behaviour
from homing.llm.testing.counts import Paid
from homing.llm.testing.dialect import Body, Refused
from homing.llm.testing.faults import FINE
from homing.llm.testing.openai_api import OpenAIDialect, error, invalid
from homing.types import FloatArray, content_id

MOST_INPUTS = 2048
"""OpenAI's own limit."""


@dataclass(frozen=True, slots=True)
class AskedVectors:
    """One request for vectors.

    Attributes:
        dimensions: Length that was asked for, or None.
        is_base64: Whether vectors are to come in base64.
        content: Hash of all that was asked.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None
    is_base64: bool

    @property
    def content(self) -> str:
        """Hash of all that decides the vectors."""
        return content_id(self.model, json.dumps(self.dimensions), *self.texts)

    def paid(self, fault: str, whole: bool, n_tokens: Sequence[int]) -> list[Paid]:
        """Return what is to be paid, text by text: batches of two runs need not be the same."""
        length = json.dumps(self.dimensions)
        return [
            Paid(content_id(self.model, length, text), fault, whole, n, 0)
            for text, n in zip(self.texts, n_tokens, strict=True)
        ]


def parse_embeddings(
    body: Mapping[str, Any], behaviour: Behaviour, dialect: OpenAIDialect
) -> AskedVectors:
    """Return what is asked, or refuse as OpenAI does."""
    model = dialect.model_of(body)
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise invalid("'input' must be a text or a list of texts.", param="input")
    if not all(texts):
        raise invalid("'input' cannot be an empty string.", param="input")
    dimensions, encoding = body.get("dimensions"), body.get("encoding_format")
    for name, value in (("dimensions", dimensions), ("encoding_format", encoding)):
        if value is not None and name in behaviour.unsupported:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise invalid(message, param=name, code="unsupported_parameter")
    if dimensions is not None and (not isinstance(dimensions, int) or dimensions < 1):
        raise invalid("'dimensions' must be at least 1.", param="dimensions")
    if encoding not in (None, "float", "base64"):
        raise invalid(f"Invalid value: '{encoding}'.", param="encoding_format")
    _check_size(texts, behaviour)
    return AskedVectors(
        model,
        tuple(texts),
        None if "dimensions" in behaviour.ignores else dimensions,
        encoding == "base64" and "encoding_format" not in behaviour.ignores,
    )


def _check_size(texts: Sequence[str], behaviour: Behaviour) -> None:
    most = behaviour.max_inputs or MOST_INPUTS
    if len(texts) > most:
        message = f"batch size {len(texts)} > maximum allowed batch size {most}"
        raise Refused(422, error(message, kind="validation"))
    limit = behaviour.max_input_tokens
    longest = max(behaviour.count_tokens(text) for text in texts)
    if limit is not None and longest > limit:
        raise invalid(
            f"This model's maximum context length is {limit} tokens, however you requested "
            f"{longest} tokens. Please reduce your prompt.",
            code="context_length_exceeded",
        )


def embeddings_body(asked: AskedVectors, vectors: FloatArray, fault: str, n_tokens: int) -> Body:
    """Return the body of a reply, after what a fault has made of it."""
    if fault == "empty_choices":
        vectors = vectors[:0]
    elif fault == "truncated":
        vectors = vectors[: len(vectors) // 2]
    elif fault == "junk":
        vectors = np.full_like(vectors, np.nan)
    elif fault == "wrong_content":
        vectors = vectors[:, : max(1, vectors.shape[1] // 2)]
    data = [
        {"object": "embedding", "index": i, "embedding": _written(row, asked.is_base64)}
        for i, row in enumerate(vectors)
    ]
    return {
        "object": "list",
        "data": data,
        "model": asked.model,
        "usage": {"prompt_tokens": n_tokens, "total_tokens": n_tokens},
    }


def shortened(vectors: FloatArray, dimensions: int | None) -> FloatArray:
    """Return the first numbers of each vector, of length 1 again, as OpenAI's models do.

    Raises:
        Refused: Vectors are not as long as was asked for.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    if dimensions > vectors.shape[1]:
        message = f"'dimensions' must be at most {vectors.shape[1]} for this model."
        raise invalid(message, param="dimensions")
    cut = vectors[:, :dimensions]
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    unit: FloatArray = cut / np.maximum(lengths, np.float32(1e-12))
    return unit


def is_whole(fault: str) -> bool:
    """Return whether a fault leaves the vectors as they are."""
    return fault in (FINE, "slow")


def _written(row: FloatArray, is_base64: bool) -> str | list[float]:
    if is_base64:
        return base64.b64encode(np.ascontiguousarray(row, dtype="<f4").tobytes()).decode()
    return [float(number) for number in row]
