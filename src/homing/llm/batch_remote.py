"""What the batch APIs have in common: requests and answers as the live provider's, and errors."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

from homing.llm import wire
from homing.llm.batch_api import BatchResult, MaybeAccepted
from homing.llm.provider import (
    ChatAnswer,
    ChatRequest,
    ProviderError,
    RequestRefused,
    TransientFailure,
)
from homing.llm.remote import NO_SUCH_MODEL, RemoteProvider, is_out_of_money

RETRIES = 3
"""By the SDK, of calls that may be repeated."""
PATIENCE_S = 600.0
"""Least time limit of a call: files are larger than answers."""

P = TypeVar("P", bound=RemoteProvider[ChatRequest, ChatAnswer])


class RemoteBatches(Generic[P]):
    """Half of a `BatchAPI`; the other half is the SDK's.

    Bodies are made and read by the provider, and what it found out about its server holds here.
    """

    max_bytes: int

    def __init__(self, provider: P, timeout_s: float) -> None:
        self.name = provider.name
        self._provider = provider
        self._sdk = provider.server.sdk
        self._client = self._make_client(max(timeout_s, PATIENCE_S))
        self._ways: dict[str, Mapping[str, str]] = {}

    def _make_client(self, timeout_s: float) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        return self._provider.body(request, self._provider.manners.ways())

    def _note_ways(self, batch_id: str) -> None:
        """Remember how the requests of a batch were asked, once it is accepted."""
        self._ways[batch_id] = self._provider.manners.ways()

    def _answered(
        self, batch_id: str, key: str, body: Mapping[str, Any], request: ChatRequest
    ) -> BatchResult:
        """Return what the body of a reply is worth."""
        try:
            answer = self._provider.read(body, request)
        except TransientFailure as failure:
            return BatchResult(key, None, failure.kind, str(failure))
        if batch_id in self._ways:
            needs = self._provider.needs(request)
            self._provider.manners.took(self._ways[batch_id], needs)
        return BatchResult(key, answer)

    def _refused(
        self, batch_id: str, key: str, status: int, body: Any, request: ChatRequest
    ) -> BatchResult:
        """Return why a request of a batch has no answer, and whether it may have one later."""
        codes, message = wire.error_of(json.dumps(body).encode())
        manners = self._provider.manners
        ways = self._ways.setdefault(batch_id, manners.ways())
        needs = self._provider.needs(request)
        if status in (400, 422) and manners.refused(ways, needs, f"{codes} {message}"):
            return BatchResult(key, None, "refused", message)
        error = self._error(status, {}, codes, message)
        if isinstance(error, TransientFailure):
            return BatchResult(key, None, error.kind, str(error))
        if isinstance(error, ProviderError):
            return BatchResult(key, None, "refused", str(error), fatal=error)
        return BatchResult(key, None, "refused", str(error), is_final=True)

    def _error(
        self, status: int, headers: Mapping[str, str], codes: str, message: str
    ) -> TransientFailure | RequestRefused | ProviderError:
        provider = self._provider
        shown = provider.shown(message) or f"HTTP status {status}."
        if is_out_of_money(status, codes, message):
            return ProviderError(
                f"The account at {provider.address} has nothing left to spend: {shown} Add credit "
                "there and run the same command again; what was answered is kept."
            )
        if status in (401, 403):
            return provider.key_error(status)
        if any(code in codes for code in NO_SUCH_MODEL) or status == 404:
            return ProviderError(
                f"{provider.address} has no batches for {provider.model}: {shown} Check the name "
                "of the model and the address (--base-url), or leave --batch out."
            )
        if status == 429:
            return TransientFailure("rate_limit", shown, wire.retry_after_s(headers, time.time()))
        if status >= 500 or status in (408, 409, 425):
            return TransientFailure("server", shown, wire.retry_after_s(headers, time.time()))
        return RequestRefused(shown)

    @contextmanager
    def _calling(self, *, may_be_accepted: bool = False) -> Iterator[None]:
        """Turn the SDK's errors into ours; none of them will go away if a 4xx does not.

        Args:
            may_be_accepted: Whether the server may have done what was asked and not have said so.
        """
        import httpx2

        failure: TransientFailure | RequestRefused | ProviderError
        try:
            yield
        except self._sdk.APIStatusError as error:
            failure = self._error(
                error.status_code, error.response.headers, *wire.error_of(_content(error.response))
            )
            if isinstance(failure, RequestRefused):
                failure = ProviderError(f"{self._provider.address} takes no batch: {failure}")
        except self._sdk.APITimeoutError:
            failure = TransientFailure("timeout", "No answer in time.")
        except (self._sdk.APIConnectionError, httpx2.HTTPError) as error:
            failure = TransientFailure("connection", self._provider.cause(error))
        else:
            return
        if isinstance(failure, TransientFailure) and failure.kind != "rate_limit":
            failed = MaybeAccepted if may_be_accepted else TransientFailure
            raise failed(failure.kind, str(failure), failure.retry_after_s) from None
        raise failure from None


def read_lines(pieces: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a body of JSON lines, one line in memory at a time.

    Cut at line feeds alone: the clients' own cutting takes U+2028 inside a string for an end.
    Lines that are no JSON are left out, so that the rest is not lost with them.
    """
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from _objects(lines)
    yield from _objects([rest])


def _objects(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with suppress(ValueError, RecursionError):
            value = json.loads(line)
            if isinstance(value, dict):
                yield value


def _content(response: Any) -> bytes:
    """Return the body of an error, which may not have been read when the rest is streamed."""
    try:
        return bytes(response.read())
    except Exception as error:  # a broken connection on top of an error: the status is enough
        return str(error).encode()
