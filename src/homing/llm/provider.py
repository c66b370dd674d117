"""What a provider of a language model is, what is asked of it and what may go wrong.

A provider makes one try at one call. Tries, pauses and how many calls run at once are the
dispatcher's; what was paid is the ledger's. Nothing here imports an SDK.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from homing.errors import HomingError
from homing.types import FloatArray, content_id

Finish = Literal["stop", "length", "refusal"]
FailureKind = Literal["rate_limit", "server", "timeout", "connection", "malformed"]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Everything that decides an answer, so that its hash can be the key it is kept under.

    Attributes:
        system: Instructions; "" for none.
        user: What is asked, with the passage inside.
        schema: JSON schema of the answer, or None for free text.
        max_tokens: Most tokens of the answer.
        temperature: None leaves the provider's own; some refuse to be told.
    """

    system: str
    user: str
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 1024
    temperature: float | None = None

    def key(self, provider: str) -> str:
        """Return the key under which a provider's answer is kept: equal for equal requests."""
        schema = json.dumps(self.schema, sort_keys=True, ensure_ascii=False)
        rest = json.dumps([self.max_tokens, self.temperature])
        return content_id(provider, self.system, self.user, schema, rest)


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """One answer that was paid for.

    Attributes:
        text: What the model said; may be empty, cut off or nonsense.
        finish: "stop", "length" (cut off at `max_tokens`), or "refusal" (the model or a filter).
        input_tokens: As the provider counted them; it bills these.
        output_tokens: The same, reasoning included.
        seconds: From request to answer.
    """

    text: str
    finish: Finish
    input_tokens: int
    output_tokens: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts to embed in one call; `dimensions` is the length of vector to ask for, if any."""

    texts: tuple[str, ...]
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingAnswer:
    """The vectors of one call, float32 (n_texts, d), as they came and in the order of the texts.

    Attributes:
        input_tokens: As the provider counted them; it bills these.
        seconds: From request to answer.
    """

    vectors: FloatArray
    input_tokens: int
    seconds: float = 0.0


class Provider(Protocol):
    """Asks one language model.

    Attributes:
        name: "openai:gpt-5-mini"; goes into keys and into `Question.writer`.
    """

    name: str

    async def ask(self, request: ChatRequest) -> ChatAnswer:
        """Return the answer of one try.

        Raises:
            TransientFailure: Another try may succeed.
            RequestRefused: This request will never be answered; others will.
            ProviderError: No request will be: a wrong key, an unknown model, an empty account.
        """
        ...

    async def close(self) -> None:
        """Give connections and memory back."""
        ...


class TransientFailure(Exception):
    """A call failed in a way that another try may not.

    Attributes:
        kind: What happened.
        retry_after_s: How long the server asked to wait, or None.
    """

    def __init__(self, kind: FailureKind, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.retry_after_s = retry_after_s


class RequestRefused(Exception):
    """This one request cannot be answered, such as one that is too long for the model."""


class ProviderError(HomingError):
    """The provider will answer no request at all; the message names the remedy, never the key."""

    exit_code = 8
