"""Anthropic's message batches: the requests go up in one body, the answers come down by lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from homing.llm.anthropic import NO_KEY, AnthropicProvider
from homing.llm.batch_api import CLOCKS_DIFFER_S, BatchResult, BatchState, Mark, Requests
from homing.llm.batch_remote import RETRIES, RemoteBatches, read_lines
from homing.llm.provider import ChatRequest

STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}


class AnthropicBatches(RemoteBatches[AnthropicProvider]):
    """Implements `BatchAPI`.

    A batch has no place for a label: a lost one is known by its time, its size and, once it has
    ended, by the keys of its results.
    """

    max_bytes = 32_000_000
    """Of 256 MB that are allowed: the SDK makes one text of a batch, in memory."""

    def _make_client(self, timeout_s: float) -> Any:
        found = self._provider.sdk_finds_key
        return self._sdk.Anthropic(
            api_key=None if found else self._provider.server.key or NO_KEY,
            base_url=self._provider.server.base_url,
            timeout=timeout_s,
            max_retries=RETRIES,
        )

    def line(self, key: str, request: ChatRequest) -> bytes:
        """Return a request as a line; see `BatchAPI.line`."""
        return json.dumps({"custom_id": key, "params": self._body(request)}).encode() + b"\n"

    def send(self, lines: IO[bytes], label: str) -> str:
        """Return the id of a new batch; see `BatchAPI.send`."""
        requests = list(read_lines(lines))
        with self._calling(may_be_accepted=True):
            client = self._client.with_options(max_retries=0)
            batch = client.messages.batches.create(requests=requests)
        self._note_ways(batch.id)
        return str(batch.id)

    def find(self, mark: Mark) -> Iterator[str]:
        """Yield batches of that time and size whose results, if there are any, are the mark's."""
        with self._calling():
            for batch in self._client.messages.batches.list(limit=100):  # newest first
                if batch.created_at.timestamp() < mark.moment - CLOCKS_DIFFER_S:
                    return
                n_requests = sum(_counts(batch).values())
                if n_requests != len(mark.keys) or batch.archived_at is not None:
                    continue
                if batch.processing_status != "ended" or self._first_key(batch.id) in mark.keys:
                    yield batch.id

    def state(self, batch_id: str) -> BatchState:
        """Return how far a batch is."""
        with self._calling():
            try:
                batch = self._client.messages.batches.retrieve(batch_id)
            except self._sdk.NotFoundError:
                return BatchState("gone")
        counts = _counts(batch)
        n_done = sum(counts.values()) - counts["processing"]
        if batch.processing_status != "ended":
            return BatchState("running", n_done)
        if batch.archived_at is not None:
            return BatchState("gone")
        return BatchState("cancelled" if counts["canceled"] else "ended", n_done)

    def results(self, batch_id: str, wanted: Requests) -> Iterator[BatchResult]:
        """Yield what became of the wanted requests."""
        for line in self._download(batch_id):
            key = str(line.get("custom_id"))
            request = wanted(key)
            if request is not None:
                yield self._result(batch_id, key, line.get("result"), request)

    def _download(self, batch_id: str) -> Iterator[dict[str, Any]]:
        with self._calling():
            streamed = self._client.messages.batches.with_streaming_response.results(batch_id)
            with streamed as response:
                yield from read_lines(response.iter_bytes())

    def _first_key(self, batch_id: str) -> str:
        return next((str(line.get("custom_id")) for line in self._download(batch_id)), "")

    def _result(self, batch_id: str, key: str, result: Any, request: ChatRequest) -> BatchResult:
        result = result if isinstance(result, dict) else {}
        kind, message, error = result.get("type"), result.get("message"), result.get("error")
        if kind == "succeeded" and isinstance(message, dict):
            return self._answered(batch_id, key, message, request)
        if kind == "errored":
            inner = error.get("error") if isinstance(error, dict) else None
            inner = inner if isinstance(inner, dict) else {}
            status = STATUS_OF.get(str(inner.get("type")), 500)
            return self._refused(batch_id, key, status, error, request)
        return BatchResult(key, None, "timeout", f"The request is {kind}: it was not answered.")


def _counts(batch: Any) -> dict[str, int]:
    names = ("processing", "succeeded", "errored", "canceled", "expired")
    return {name: getattr(batch.request_counts, name) for name in names}
