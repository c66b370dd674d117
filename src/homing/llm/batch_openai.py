"""OpenAI's batches: a file of requests goes up, files of answers and of errors come down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from homing.llm.batch_api import CLOCKS_DIFFER_S, BatchResult, BatchState, Mark, Requests, Status
from homing.llm.batch_remote import RETRIES, RemoteBatches, read_lines
from homing.llm.openai import NO_KEY, OpenAIProvider
from homing.llm.provider import ChatRequest

ENDPOINT = "/v1/chat/completions"
LABEL = "homing"
"""Of the metadata that a batch bears."""
STATUSES: dict[str, Status] = {
    "completed": "ended",
    "expired": "ended",
    "cancelled": "cancelled",
    "failed": "rejected",
}
QUEUE_IS_FULL = ("token_limit_exceeded", "batch_limit_exceeded", "enqueued token limit")
MAX_ERRORS_SHOWN = 3


class OpenAIBatches(RemoteBatches[OpenAIProvider]):
    """Implements `BatchAPI`."""

    max_bytes = 190_000_000

    def _make_client(self, timeout_s: float) -> Any:
        return self._sdk.OpenAI(
            api_key=self._provider.server.key or NO_KEY,
            base_url=self._provider.server.base_url,
            timeout=timeout_s,
            max_retries=RETRIES,
        )

    def line(self, key: str, request: ChatRequest) -> bytes:
        """Return a request as a line; see `BatchAPI.line`."""
        line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": self._body(request)}
        return json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    def send(self, lines: IO[bytes], label: str) -> str:
        """Return the id of a new batch; see `BatchAPI.send`."""
        with self._calling():
            file = self._client.files.create(file=("requests.jsonl", lines), purpose="batch")
        with self._calling(may_be_accepted=True):
            batch = self._client.with_options(max_retries=0).batches.create(
                input_file_id=file.id,
                endpoint=ENDPOINT,
                completion_window="24h",
                metadata={LABEL: label},
            )
        self._note_ways(batch.id)
        return str(batch.id)

    def find(self, mark: Mark) -> Iterator[str]:
        """Yield the batch that bears the label."""
        with self._calling():
            for batch in self._client.batches.list(limit=100):  # newest first
                if batch.created_at < mark.moment - CLOCKS_DIFFER_S:
                    return
                if (batch.metadata or {}).get(LABEL) == mark.label:
                    yield batch.id

    def state(self, batch_id: str) -> BatchState:
        """Return how far a batch is."""
        with self._calling():
            try:
                batch = self._client.batches.retrieve(batch_id)
            except self._sdk.NotFoundError:
                return BatchState("gone")
        counts = batch.request_counts
        n_done = counts.completed + counts.failed if counts else 0
        errors = (batch.errors.data or []) if batch.errors else []
        told = [_told(e) for e in errors[:MAX_ERRORS_SHOWN]]
        if len(errors) > MAX_ERRORS_SHOWN:
            told.append(f"({len(errors) - MAX_ERRORS_SHOWN} more.)")
        said = " ".join(f"{e.code} {e.message}" for e in errors).lower()
        status = STATUSES.get(batch.status, "running")
        if status == "rejected" and any(word in said for word in QUEUE_IS_FULL):
            status = "full"
        return BatchState(status, n_done, self._provider.shown(" ".join(told)))

    def results(self, batch_id: str, wanted: Requests) -> Iterator[BatchResult]:
        """Yield what became of the wanted requests."""
        with self._calling():
            batch = self._client.batches.retrieve(batch_id)
        for file_id in (batch.output_file_id, batch.error_file_id):
            for line in self._download(file_id) if file_id else ():
                key = str(line.get("custom_id"))
                request = wanted(key)
                if request is not None:
                    yield self._result(batch_id, key, line, request)

    def _download(self, file_id: str) -> Iterator[dict[str, Any]]:
        with self._calling():
            try:
                streamed = self._client.files.with_streaming_response.content(file_id)
                with streamed as response:
                    yield from read_lines(response.iter_bytes())
            except self._sdk.NotFoundError:
                return  # deleted, by age or by a person: its requests are asked again

    def _result(
        self, batch_id: str, key: str, line: dict[str, Any], request: ChatRequest
    ) -> BatchResult:
        response, error = line.get("response"), line.get("error")
        if not isinstance(response, dict):
            said = error if isinstance(error, dict) else {}
            detail = str(said.get("message") or "The batch ended without it.")
            return BatchResult(key, None, "timeout", detail)
        status, body = response.get("status_code"), response.get("body")
        if status == 200 and isinstance(body, dict):
            return self._answered(batch_id, key, body, request)
        return self._refused(
            batch_id, key, status if isinstance(status, int) else 500, body, request
        )


def _told(error: Any) -> str:
    message = " ".join(str(error.message or error.code or "").split())
    return f"Line {error.line}: {message}" if error.line else message
