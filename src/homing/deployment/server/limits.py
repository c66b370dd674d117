"""What is accepted: how much, how many at a time, for how long, and from whom."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from homing.deployment.server.refusals import Refusal, bad_request

MIB = 2**20
MOST_HELD = 1024
"""Refusals that wait at the same time; one more is sent at once, so that memory is bounded."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server takes.

    Attributes:
        max_body_bytes: Of one request; more is answered with 413.
        max_inputs: Texts in one request; more is answered with 422.
        max_characters: Of one text; more is answered with 422. What is longer than the model reads
            is cut, as the model does; this only bounds what the tokenizer is given.
        max_documents: Of one request to rerank.
        max_results: Passages that one search may ask for.
        max_queue: Requests that are accepted and not yet answered; one more is answered with 429.
        max_queue_bytes: Of their bodies together; a single request is taken all the same.
        timeout_s: How long a request may take; then it is answered with 504.
        hold_back_s: How long a 429 is held back. Clients that ask again at once would take the
            processor from those that were let in.
    """

    max_body_bytes: int = 16 * MIB
    max_inputs: int = 2048
    max_characters: int = 100_000
    max_documents: int = 1000
    max_results: int = 1000
    max_queue: int = 256
    max_queue_bytes: int = 128 * MIB
    timeout_s: float = 60.0
    hold_back_s: float = 0.5


class Gate:
    """Lets so many requests in as the limits allow, and says no to the rest.

    Attributes:
        n_inside: Requests that are accepted and not yet answered.
        is_closing: Whether the server is about to stop: it finishes what it accepted.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._n_bytes = 0
        self._n_held = 0
        self.n_inside = 0
        self.is_closing = False

    @asynccontextmanager
    async def admitted(self, n_bytes: int) -> AsyncIterator[None]:
        """Hold a place while the block runs.

        Args:
            n_bytes: Of the body, announced or at most.

        Raises:
            Refusal: There is none: 429.
        """
        limits = self._limits
        is_full = self.n_inside >= limits.max_queue
        too_many_bytes = self.n_inside and self._n_bytes + n_bytes > limits.max_queue_bytes
        if is_full or too_many_bytes:
            refusal = Refusal(
                429,
                f"The server is busy: {self.n_inside:,} requests are waiting. Try again in a "
                "second, or send fewer at a time.",
                code="queue_full",
                headers={"Retry-After": "1"},
            )
            await self._hold_back()
            raise refusal
        self.n_inside += 1
        self._n_bytes += n_bytes
        try:
            yield
        finally:
            self.n_inside -= 1
            self._n_bytes -= n_bytes

    async def _hold_back(self) -> None:
        """Wait before a request that found no place is told so."""
        if self._n_held >= MOST_HELD or self.is_closing:
            return
        self._n_held += 1
        try:
            await asyncio.sleep(self._limits.hold_back_s)
        finally:
            self._n_held -= 1


def announced_bytes(headers: Mapping[str, str], limits: Limits) -> int:
    """Return how long the body is said to be, the limit where that is not said.

    Raises:
        Refusal: It is too long: 413.
    """
    text = headers.get("content-length")
    if text is None:
        return limits.max_body_bytes
    if not text.isascii() or not text.isdigit():
        raise bad_request("The header Content-Length is no number.")
    n_bytes = int(text)
    if n_bytes > limits.max_body_bytes:
        raise too_large(limits)
    return n_bytes


async def read_body(request: Any, limits: Limits) -> bytes:
    """Return the body of a request, read no further than it may be long.

    Raises:
        Refusal: It is too long: 413.
        ClientDisconnect: Who asked has left.
    """
    parts, n_bytes = [], 0
    async for part in request.stream():
        n_bytes += len(part)
        if n_bytes > limits.max_body_bytes:
            raise too_large(limits)
        parts.append(part)
    return b"".join(parts)


def too_large(limits: Limits) -> Refusal:
    """Return the refusal of a body that is too long; the connection ends, nothing more is read."""
    return Refusal(
        413,
        f"The request is longer than {limits.max_body_bytes:,} bytes. Send the texts in several "
        "requests.",
        code="request_too_large",
        headers={"Connection": "close"},
    )


class ApiKey:
    """The key that requests have to carry; without one all are let in."""

    def __init__(self, key: str | None) -> None:
        self._expected = None if key is None else key.encode()

    @property
    def is_set(self) -> bool:
        """Whether requests need a key."""
        return self._expected is not None

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise `Refusal` (401) unless the request carries the key.

        The time that this takes says nothing about how much of a wrong key is right.
        """
        if self._expected is None:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # Headers arrive as Latin-1, which gives back the bytes that were sent.
        is_right = hmac.compare_digest(given.strip().encode("latin-1"), self._expected)
        if scheme.lower() != "bearer" or not is_right:
            raise Refusal(
                401,
                "The API key is missing or wrong. Send it as: Authorization: Bearer KEY",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )
