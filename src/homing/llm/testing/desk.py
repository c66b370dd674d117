"""Makes the reply to a request: the answer, what a fault makes of it, and what is to be paid."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from email.utils import formatdate

from homing.llm.testing.asked import Asked, n_input_tokens
from homing.llm.testing.behaviour import Behaviour
from homing.llm.testing.counts import Bookkeeping, Paid
from homing.llm.testing.dialect import Dialect
from homing.llm.testing.embeddings import AskedVectors, embeddings_body, is_whole
from homing.llm.testing.faults import FINE, UNPAID, FaultPlan
from homing.llm.testing.http import Reply, json_reply
from homing.llm.testing.spoiling import Completion, complete, junk
from homing.types import FloatArray

HTML = b"<html><head><title>503</title></head><body><h1>503 Service Unavailable</h1></body></html>"
NOT_IN_BATCHES = ("timeout", "cut", "drop", "malformed_json", "junk_body", "error_503", "error_529")
"""What has no meaning for a line of a file; there it is a 500."""
LIMITS = ("rate_limit", "rate_limit_date", "rate_limit_bare")


class Desk:
    """Answers requests, one at a time and without waiting."""

    def __init__(self, behaviour: Behaviour, books: Bookkeeping) -> None:
        self._behaviour = behaviour
        self._books = books
        self.plan = FaultPlan(behaviour.faults)

    def reply(
        self, asked: Asked, fault: str, dialect: Dialect, gone: Callable[[], bool] = lambda: False
    ) -> Reply:
        """Return the reply to a request that a fault strikes, or "ok"; counts what is paid."""
        n_input = n_input_tokens(asked, self._behaviour.count_tokens)
        self._books.counts.asked_tokens += n_input
        if fault in UNPAID:
            return self.fault_reply(fault, dialect, asked.model)
        completion = self._within_limit(self._complete(asked, fault), asked)
        n_output = self._behaviour.count_tokens(completion.text)
        whole = fault in (FINE, "slow") and completion.finish == "stop" and not gone()
        self._books.pay(Paid(asked.content, fault, whole, n_input, n_output))
        body = dialect.answer(asked, completion, (n_input, n_output))
        return self._spoiled(json_reply(200, body), fault)

    def vectors_reply(
        self,
        asked: AskedVectors,
        vectors: FloatArray | None,
        fault: str,
        dialect: Dialect,
        gone: Callable[[], bool],
    ) -> Reply:
        """Return the reply to a request for vectors; counts each text as one that is paid."""
        counted = [self._behaviour.count_tokens(text) for text in asked.texts]
        self._books.counts.asked_tokens += sum(counted)
        if vectors is None:
            return self.fault_reply(fault, dialect, asked.model)
        for paid in asked.paid(fault, is_whole(fault) and not gone(), counted):
            self._books.pay(paid)
        body = embeddings_body(asked, vectors, fault, sum(counted))
        return self._spoiled(json_reply(200, body), fault)

    def _spoiled(self, reply: Reply, fault: str) -> Reply:
        """Return what a fault makes of the bytes of a reply."""
        if fault == "malformed_json":
            return Reply(200, reply.body[: len(reply.body) * 2 // 3] + b"<|eot|>")
        if fault == "junk_body":
            return Reply(200, junk(self._behaviour.faults.junk_bytes).encode())
        return Reply(200, reply.body, ending="cut") if fault == "cut" else reply

    def batched_reply(self, asked: Asked, dialect: Dialect) -> Reply:
        """Return the reply to one line of a batch."""
        fault = self.plan.draw(asked.content)
        fault = "error_500" if fault in NOT_IN_BATCHES else fault
        self.note(fault)
        return self.reply(asked, fault, dialect)

    def note(self, fault: str) -> None:
        """Count a fault."""
        if fault != FINE:
            self._books.counts.by_fault[fault] += 1

    def _complete(self, asked: Asked, fault: str) -> Completion:
        text = self._behaviour.answerer(asked)
        return complete(fault, text, asked, self._behaviour.faults.junk_bytes)

    def _within_limit(self, completion: Completion, asked: Asked) -> Completion:
        """Return the completion, cut off where it is longer than was allowed."""
        text, most = completion.text, asked.max_tokens
        if most is None or len(text) <= most or completion.finish != "stop":
            return completion
        n = self._behaviour.count_tokens(text)
        if n <= most:
            return completion
        return Completion(text[: len(text) * most // n], "length")

    def fault_reply(self, fault: str, dialect: Dialect, model: str = "") -> Reply:
        """Return the reply to a request that gets no answer."""
        if fault in ("timeout", "drop"):
            return Reply(0, b"", ending="hang" if fault == "timeout" else "drop")
        if fault == "error_503":
            return Reply(503, HTML, content_type="text/html")
        status, body = dialect.fault(fault, model)
        return json_reply(status, body, self._retry_after(fault))

    def _retry_after(self, fault: str) -> dict[str, str]:
        wait = self._behaviour.retry_after_s
        if fault not in LIMITS or fault == "rate_limit_bare" or wait is None:
            return {}
        if fault == "rate_limit_date":
            return {"retry-after": formatdate(math.ceil(time.time() + wait), usegmt=True)}
        return {"retry-after": json.dumps(wait).removesuffix(".0")}
