"""Anthropic's message batches, in memory."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from homing.llm.testing.anthropic_api import AnthropicDialect, error, invalid
from homing.llm.testing.behaviour import Behaviour
from homing.llm.testing.desk import Desk
from homing.llm.testing.dialect import Body, Refused
from homing.llm.testing.http import HttpRequest, Reply, json_reply
from homing.types import content_id

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
KINDS = ("succeeded", "errored", "canceled", "expired")


@dataclass(slots=True)
class _Batch:
    id: str
    requests: list[Body]
    due: float
    outcome: str
    created_at: datetime
    status: str = "in_progress"
    ended_at: datetime | None = None
    canceled_at: datetime | None = None
    results: list[Body] = field(default_factory=list)

    def shown(self, host: str) -> Body:
        counts = Counter(result["result"]["type"] for result in self.results)
        ended = self.status == "ended"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status,
            "request_counts": {
                "processing": 0 if ended else len(self.requests),
                **{kind: counts[kind] for kind in KINDS},
            },
            "created_at": _time(self.created_at),
            "expires_at": _time(self.created_at + timedelta(hours=24)),
            "ended_at": _time(self.ended_at),
            "cancel_initiated_at": _time(self.canceled_at),
            "archived_at": None,
            "results_url": f"http://{host}/v1/messages/batches/{self.id}/results"
            if ended
            else None,
        }


class AnthropicBatches:
    """Answers what is asked under `/v1/messages/batches`.

    A batch that expires or is cancelled has the answers of its first half, at their price; one
    that fails has an error for every request.
    """

    def __init__(self, behaviour: Behaviour, desk: Desk, dialect: AnthropicDialect) -> None:
        self._behaviour = behaviour
        self._desk = desk
        self._dialect = dialect
        self._batches: dict[str, _Batch] = {}

    def handle(self, request: HttpRequest, steps: list[str]) -> Reply:
        """Return the reply; `steps` are those of the path behind `/v1/messages/batches`."""
        host = request.headers.get("host", "")
        match request.method, *steps:
            case ("POST",):
                return json_reply(200, self._create(json.loads(request.body)).shown(host))
            case ("GET",):
                return self._list(request, host)
            case "GET", batch_id:
                return json_reply(200, self._advanced(self._batch(batch_id)).shown(host))
            case "GET", batch_id, "results":
                return self._results(self._advanced(self._batch(batch_id)))
            case "POST", batch_id, "cancel":
                return json_reply(200, self._cancel(self._batch(batch_id)).shown(host))
        return self._desk.fault_reply("not_found", self._dialect)

    def _batch(self, batch_id: str) -> _Batch:
        if batch_id not in self._batches:
            raise Refused(404, error(f"No batch {batch_id} here", "not_found_error"))
        return self._batches[batch_id]

    def _create(self, body: Mapping[str, Any]) -> _Batch:
        requests = body.get("requests")
        if not isinstance(requests, list) or not requests:
            raise invalid("requests: Field required")
        if len(requests) > self._behaviour.max_batch_lines:
            raise invalid(f"requests: at most {self._behaviour.max_batch_lines} items are allowed")
        ids = [request.get("custom_id") for request in requests]
        if not all(isinstance(i, str) and CUSTOM_ID.fullmatch(i) for i in ids):
            raise invalid(
                "requests: custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"
            )
        if len(set(ids)) < len(ids):
            raise invalid("requests: custom_id must be unique")
        n, outcomes = len(self._batches), self._behaviour.batch_outcomes
        batch = _Batch(
            id="msgbatch_" + content_id(str(time.time_ns()), *ids),
            requests=requests,
            due=time.monotonic() + self._behaviour.batch_s,
            outcome=outcomes[n] if n < len(outcomes) else "completed",
            created_at=datetime.now(UTC),
        )
        self._batches[batch.id] = batch
        return batch

    def _advanced(self, batch: _Batch) -> _Batch:
        """Return the batch as it is by now; the answers are made when it ends."""
        if batch.status == "canceling":
            self._end(batch, "canceled")
        elif batch.status == "in_progress" and time.monotonic() >= batch.due:
            self._end(batch, batch.outcome)
        return batch

    def _end(self, batch: _Batch, outcome: str) -> None:
        batch.status, batch.ended_at = "ended", datetime.now(UTC)
        n = len(batch.requests)
        n_tried = n if outcome in ("completed", "failed") else n // 2
        for position, request in enumerate(batch.requests):
            if outcome == "failed":
                result: Body = {"type": "errored", "error": self._dialect.fault("error_500", "")[1]}
            elif position < n_tried:
                result = self._result(request.get("params"))
            else:
                result = {"type": outcome}
            batch.results.append({"custom_id": request["custom_id"], "result": result})
        # The API does not promise the order of the requests.
        random.Random(batch.id).shuffle(batch.results)

    def _result(self, params: Any) -> Body:
        try:
            asked = self._dialect.parse(params if isinstance(params, dict) else {})
        except Refused as refused:
            return {"type": "errored", "error": refused.body}
        reply = self._desk.batched_reply(asked, self._dialect)
        body = json.loads(reply.body)
        if reply.status == 200:
            return {"type": "succeeded", "message": body}
        return {"type": "errored", "error": body}

    def _results(self, batch: _Batch) -> Reply:
        if batch.status != "ended":
            raise invalid(f"Batch {batch.id} is still in progress and has no results yet.")
        content = "".join(json.dumps(result) + "\n" for result in batch.results).encode()
        return Reply(200, content, content_type="application/x-jsonl")

    def _cancel(self, batch: _Batch) -> _Batch:
        if self._advanced(batch).status == "ended":
            raise invalid(f"Batch {batch.id} has ended and cannot be canceled.")
        batch.status, batch.canceled_at = "canceling", datetime.now(UTC)
        return batch

    def _list(self, request: HttpRequest, host: str) -> Reply:
        newest = [self._advanced(batch).shown(host) for batch in self._batches.values()][::-1]
        ids = [item["id"] for item in newest]
        after = request.query.get("after_id")
        start = ids.index(after) + 1 if after in ids else 0
        page = newest[start : start + int(request.query.get("limit", "20"))]
        return json_reply(
            200,
            {
                "data": page,
                "has_more": start + len(page) < len(newest),
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
            },
        )


def _time(value: datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None
