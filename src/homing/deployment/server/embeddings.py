"""OpenAI's `/v1/embeddings`: which side a text is of, and vectors as that API writes them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic_core import to_json

from homing.deployment.server.limits import Limits
from homing.deployment.server.model import PASSAGE, QUERY, ServedModel
from homing.deployment.server.refusals import Refusal, bad_request, unprocessable
from homing.deployment.server.schemas import EmbeddingsRequest
from homing.types import FloatArray
from homing.vectors import normalised

VECTORS_AT_ONCE = 64
"""Written as JSON before the others have their turn."""
TEXTS_ONLY = (
    "The input holds token ids, and this model has a tokenizer of its own: send texts. "
    "LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False). LlamaIndex "
    "(OpenAILikeEmbedding), Haystack and the openai client send the texts that they are given."
)


def texts_of(asked: EmbeddingsRequest, limits: Limits) -> list[str]:
    """Return the texts of a request.

    Raises:
        Refusal: They are too many, or one is too long: 422.
    """
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    if len(texts) > limits.max_inputs:
        raise unprocessable(
            f"The request holds {len(texts):,} texts; at most {limits.max_inputs:,} are taken. "
            "Send them in several requests.",
            param="input",
            code="too_many_inputs",
        )
    check_lengths(texts, limits, "input")
    return texts


def check_lengths(texts: Sequence[str], limits: Limits, param: str) -> None:
    """Raise `Refusal` (422) if a text is too long to be read at all."""
    for place, text in enumerate(texts):
        if len(text) > limits.max_characters:
            raise unprocessable(
                f"Text {place} of {param} has {len(text):,} characters; at most "
                f"{limits.max_characters:,} are taken. Cut it into passages.",
                param=param,
                code="text_too_long",
            )


def asks_for_queries(asked: EmbeddingsRequest, model: ServedModel) -> bool:
    """Return whether the texts are questions; without a word about it they are passages.

    Raises:
        Refusal: Another model is named: 404; or name and type contradict each other: 400.
    """
    check_name(asked.model, model)
    by_name = None if asked.model in (None, model.name) else asked.model == model.names[1]
    by_type = None
    if asked.input_type is not None:
        by_type = asked.input_type in ("query", "search_query")
    if by_name is not None and by_type is not None and by_name != by_type:
        raise bad_request(
            f"The model {asked.model} and the input_type {asked.input_type} contradict each "
            "other. Send one of them.",
            param="input_type",
        )
    return bool(by_name) or bool(by_type)


def check_name(name: str | None, model: ServedModel) -> None:
    """Raise `Refusal` (404) if another model is named."""
    if name is not None and name not in model.names:
        raise Refusal(
            404,
            f"There is no model {name[:200]!r} here. There is {model.name} for passages and "
            f"{model.name}{QUERY} for questions ({model.name}{PASSAGE} is the first again).",
            code="model_not_found",
            param="model",
        )


def check_dimensions(asked: EmbeddingsRequest, model: ServedModel) -> int:
    """Return the length of the vectors to give.

    Raises:
        Refusal: The model's own are shorter: 400.
    """
    if asked.dimensions is not None and asked.dimensions > model.dimensions:
        raise bad_request(
            f"The model's vectors have {model.dimensions:,} dimensions; {asked.dimensions:,} "
            "cannot be had. Ask for fewer.",
            param="dimensions",
        )
    return asked.dimensions or model.dimensions


def cut(vectors: FloatArray, dimensions: int) -> FloatArray:
    """Return the first dimensions of vectors, of length 1 again."""
    if dimensions == vectors.shape[1]:
        return vectors
    return normalised(vectors[:, :dimensions])


async def embeddings_json(
    vectors: FloatArray, n_tokens: int, *, name: str, as_base64: bool
) -> bytes:
    """Return the answer's JSON; long ones are written bit by bit, between other requests."""
    rows: list[bytes] = []
    for start in range(0, len(vectors), VECTORS_AT_ONCE):
        if start:
            await asyncio.sleep(0)
        part = vectors[start : start + VECTORS_AT_ONCE]
        written = [_base64(row) for row in part] if as_base64 else map(to_json, part.tolist())
        rows += (
            b'{"object":"embedding","index":%d,"embedding":%b}' % (start + place, vector)
            for place, vector in enumerate(written)
        )
    usage = b'{"prompt_tokens":%d,"total_tokens":%d}' % (n_tokens, n_tokens)
    ending = b'],"model":%b,"usage":%b}' % (json.dumps(name).encode(), usage)
    return b'{"object":"list","data":[' + b",".join(rows) + ending


def _base64(vector: FloatArray) -> bytes:
    return b'"%b"' % base64.b64encode(np.ascontiguousarray(vector, dtype="<f4").tobytes())


def holds_token_ids(body: Any) -> bool:
    """Return whether a request's input is token ids, of one text or of several."""
    texts = body.get("input") if isinstance(body, dict) else None
    if not isinstance(texts, list) or not texts:
        return False
    first = texts[0]
    while isinstance(first, list) and first:
        first = first[0]
    return isinstance(first, int) and not isinstance(first, bool)
