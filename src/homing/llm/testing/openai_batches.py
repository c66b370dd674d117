"""OpenAI's files and batches, in memory."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from homing.llm.testing.behaviour import Behaviour
from homing.llm.testing.desk import Desk
from homing.llm.testing.dialect import Body, Refused
from homing.llm.testing.http import HttpRequest, Reply, json_reply
from homing.llm.testing.openai_api import OpenAIDialect, error, invalid
from homing.llm.testing.openai_files import (
    ENDPOINT,
    File,
    batch_error,
    form_parts,
    listed,
    read_lines,
)
from homing.types import content_id

EXPIRED = "This request could not be executed before the completion window expired."
DAY_S = 24 * 3600
RUNNING = ("in_progress", "cancelling")


@dataclass(slots=True)
class _Batch:
    id: str
    input_file_id: str
    metadata: Any
    lines: list[Body]
    due: float
    outcome: str
    created_at: int
    status: str = "in_progress"
    errors: list[Body] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    n_completed: int = 0
    n_failed: int = 0
    ended_at: int | None = None

    def shown(self) -> Body:
        ended = {f"{self.status}_at": self.ended_at} if self.ended_at else {}
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.files.get("output"),
            "error_file_id": self.files.get("error"),
            "created_at": self.created_at,
            "in_progress_at": self.created_at,
            "expires_at": self.created_at + DAY_S,
            **ended,
            "request_counts": {
                "total": len(self.lines),
                "completed": self.n_completed,
                "failed": self.n_failed,
            },
            "metadata": self.metadata,
        }


class OpenAIBatches:
    """Answers what is asked under `/v1/files` and `/v1/batches`.

    A batch that expires or is cancelled has the answers of its first half, at their price.
    """

    def __init__(self, behaviour: Behaviour, desk: Desk, dialect: OpenAIDialect) -> None:
        self._behaviour = behaviour
        self._desk = desk
        self._dialect = dialect
        self._files: dict[str, File] = {}
        self._batches: dict[str, _Batch] = {}

    def handle(self, request: HttpRequest, steps: list[str]) -> Reply:
        """Return the reply; `steps` are those of the path behind `/v1`."""
        match request.method, *steps:
            case "POST", "files":
                return self._upload(request)
            case "GET", "files":
                return listed([file.shown() for file in self._files.values()], request)
            case "GET", "files", file_id:
                return json_reply(200, self._file(file_id).shown())
            case "GET", "files", file_id, "content":
                content = self._file(file_id).content
                return Reply(200, content, content_type="application/octet-stream")
            case "DELETE", "files", file_id:
                del self._files[self._file(file_id).id]
                return json_reply(200, {"id": file_id, "object": "file", "deleted": True})
            case "POST", "batches":
                return json_reply(200, self._create(json.loads(request.body)).shown())
            case "GET", "batches":
                shown = [self._advanced(batch).shown() for batch in self._batches.values()]
                return listed(shown, request)
            case "GET", "batches", batch_id:
                return json_reply(200, self._advanced(self._batch(batch_id)).shown())
            case "POST", "batches", batch_id, "cancel":
                return json_reply(200, self._cancel(self._batch(batch_id)))
        return self._desk.fault_reply("not_found", self._dialect)

    def _upload(self, request: HttpRequest) -> Reply:
        parts = form_parts(request)
        if "file" not in parts or "purpose" not in parts:
            raise invalid("'file' and 'purpose' are required", param="file")
        name, content = parts["file"]
        file = self._keep(name, parts["purpose"][1].decode(), content)
        return json_reply(200, file.shown())

    def _keep(self, name: str, purpose: str, content: bytes) -> File:
        file_id = "file-" + content_id(str(time.time_ns()), str(len(self._files)), name)
        file = File(file_id, name, purpose, content, int(time.time()))
        self._files[file_id] = file
        return file

    def _file(self, file_id: str) -> File:
        if file_id not in self._files:
            raise _not_found(f"No such File object: {file_id}")
        return self._files[file_id]

    def _batch(self, batch_id: str) -> _Batch:
        if batch_id not in self._batches:
            raise _not_found(f"No batch found with id '{batch_id}'.")
        return self._batches[batch_id]

    def _create(self, body: Mapping[str, Any]) -> _Batch:
        if body.get("endpoint") != ENDPOINT:
            raise invalid(f"Only {ENDPOINT} is served in batches here.", param="endpoint")
        if body.get("completion_window") != "24h":
            raise invalid("Invalid value for 'completion_window': only 24h.")
        file = self._file(body.get("input_file_id", ""))
        lines, errors = read_lines(file.content, self._behaviour.max_batch_lines)
        n = len(self._batches)
        outcomes = self._behaviour.batch_outcomes
        batch = _Batch(
            id="batch_" + content_id(file.id, str(time.time_ns())),
            input_file_id=file.id,
            metadata=body.get("metadata"),
            lines=lines,
            due=time.monotonic() + self._behaviour.batch_s,
            outcome="failed" if errors else outcomes[n] if n < len(outcomes) else "completed",
            created_at=int(time.time()),
            errors=errors,
        )
        self._batches[batch.id] = batch
        return batch

    def _advanced(self, batch: _Batch) -> _Batch:
        """Return the batch as it is by now; the answers are made when it ends."""
        if batch.status not in RUNNING:
            return batch
        if batch.status == "cancelling":
            self._end(batch, "cancelled")
        elif time.monotonic() >= batch.due:
            self._end(batch, batch.outcome)
        return batch

    def _end(self, batch: _Batch, status: str) -> None:
        batch.status, batch.ended_at = status, int(time.time())
        if status == "failed":
            batch.errors = batch.errors or [batch_error("server_error", "The batch failed.", None)]
            return
        n = len(batch.lines) if status == "completed" else len(batch.lines) // 2
        results = [self._result(batch, line) for line in batch.lines[:n]]
        if status == "expired":
            rest = batch.lines[n:]
            results += [_result(batch, line, None, ("batch_expired", EXPIRED)) for line in rest]
        # The API does not promise the order of the requests.
        random.Random(batch.input_file_id).shuffle(results)
        fine = [result for result in results if _is_fine(result)]
        failed = [result for result in results if not _is_fine(result)]
        batch.n_completed, batch.n_failed = len(fine), len(failed)
        for kind, some in (("output", fine), ("error", failed)):
            if some:
                content = "".join(json.dumps(result) + "\n" for result in some).encode()
                name = f"{batch.id}_{kind}.jsonl"
                batch.files[kind] = self._keep(name, "batch_output", content).id

    def _result(self, batch: _Batch, line: Body) -> Body:
        try:
            reply = self._desk.batched_reply(self._dialect.parse(line["body"]), self._dialect)
            return _result(batch, line, (reply.status, json.loads(reply.body)))
        except Refused as refused:
            return _result(batch, line, (refused.status, refused.body))

    def _cancel(self, batch: _Batch) -> Body:
        if self._advanced(batch).status not in RUNNING:
            raise invalid(f"Cannot cancel a batch with status '{batch.status}'.")
        batch.status = "cancelling"
        return batch.shown()


def _result(
    batch: _Batch,
    line: Body,
    response: tuple[int, Any] | None,
    fault: tuple[str, str] | None = None,
) -> Body:
    request_id = "batch_req_" + content_id(batch.id, line["custom_id"])
    shown = response and {
        "status_code": response[0],
        "request_id": request_id,
        "body": response[1],
    }
    return {
        "id": request_id,
        "custom_id": line["custom_id"],
        "response": shown,
        "error": fault and {"code": fault[0], "message": fault[1]},
    }


def _is_fine(result: Body) -> bool:
    return bool(result["response"]) and result["response"]["status_code"] == 200


def _not_found(message: str) -> Refused:
    return Refused(404, error(message, kind="invalid_request_error"))
