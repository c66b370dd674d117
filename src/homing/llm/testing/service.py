"""Takes each request to where it belongs, and makes it wait or fail on the way."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from homing.llm.testing.anthropic_api import AnthropicDialect
from homing.llm.testing.anthropic_batches import AnthropicBatches
from homing.llm.testing.behaviour import Behaviour
from homing.llm.testing.counts import Bookkeeping
from homing.llm.testing.desk import Desk
from homing.llm.testing.dialect import Dialect, Refused
from homing.llm.testing.embeddings import parse_embeddings, shortened
from homing.llm.testing.faults import FINE, UNPAID
from homing.llm.testing.http import HttpRequest, Reply, json_reply
from homing.llm.testing.openai_api import OpenAIDialect
from homing.llm.testing.openai_batches import OpenAIBatches

ID = re.compile(r"/(?:file-|batch_|msgbatch_)[^/]+")
DEFAULT_MODELS = ("test",)
RELEASED = "2026-01-01T00:00:00Z"
UNHURT = (FINE, "slow")


class Service:
    """All paths of a server; `handle` is called for each request."""

    def __init__(self, behaviour: Behaviour, books: Bookkeeping) -> None:
        self._behaviour = behaviour
        self._counts = books.counts
        self.desk = Desk(behaviour, books)
        self._openai = OpenAIDialect(behaviour)
        self._anthropic = AnthropicDialect(behaviour)
        self._openai_batches = OpenAIBatches(behaviour, self.desk, self._openai)
        self._anthropic_batches = AnthropicBatches(behaviour, self.desk, self._anthropic)
        self._n_at_work = 0
        self._arrivals: deque[float] = deque()
        self._embedding = asyncio.Lock()

    async def handle(self, request: HttpRequest) -> Reply:
        """Return the reply to a request."""
        self._counts.requests += 1
        self._counts.by_path[f"{request.method} {ID.sub('/{id}', request.path)}"] += 1
        is_anthropic = "anthropic-version" in request.headers
        dialect: Dialect = self._anthropic if is_anthropic else self._openai
        key = self._behaviour.api_key
        if key is not None and dialect.key_of(request.headers) != key:
            return self.desk.fault_reply("bad_key", dialect)
        try:
            if (request.method, request.path) == ("POST", "/v1/chat/completions"):
                return await self._answer(request, self._openai)
            if (request.method, request.path) == ("POST", "/v1/embeddings"):
                return await self._embed(request)
            if (request.method, request.path) == ("POST", "/v1/messages"):
                return await self._answer(request, self._anthropic)
            fault = self.desk.plan.draw_elsewhere()
            self.desk.note(fault)
            if fault not in UNHURT:
                return self.desk.fault_reply(fault, dialect)
            return self._elsewhere(request, dialect)
        except Refused as refused:
            return json_reply(refused.status, refused.body)
        except Exception as error:  # an answerer is anybody's code
            self.desk.note("defect")
            traceback.print_exception(error)
            message = f"The test server has a defect: {error!r}"
            return json_reply(500, {"error": {"type": "api_error", "message": message}})

    def _elsewhere(self, request: HttpRequest, dialect: Dialect) -> Reply:
        """Return the reply about models, files and batches."""
        steps = request.path.strip("/").split("/")
        unsupported = self._behaviour.unsupported
        if (
            steps[:2] == ["v1", "models"]
            and request.method == "GET"
            and "models" not in unsupported
        ):
            return self._models(steps[2:], dialect)
        if "batches" not in unsupported:
            if steps[:2] in (["v1", "files"], ["v1", "batches"]):
                return self._openai_batches.handle(request, steps[1:])
            if steps[:3] == ["v1", "messages", "batches"]:
                return self._anthropic_batches.handle(request, steps[3:])
        return self.desk.fault_reply("not_found", dialect)

    def _models(self, steps: list[str], dialect: Dialect) -> Reply:
        names = self._behaviour.models or DEFAULT_MODELS
        if steps and self._behaviour.models and "/".join(steps) not in names:
            return self.desk.fault_reply("unknown_model", dialect, "/".join(steps))
        describe = _anthropic_model if dialect is self._anthropic else _openai_model
        if steps:
            return json_reply(200, describe("/".join(steps)))
        listed = [describe(name) for name in names]
        pages = {"has_more": False, "first_id": names[0], "last_id": names[-1]}
        return json_reply(200, {"object": "list", "data": listed, **pages})

    async def _answer(self, request: HttpRequest, dialect: Dialect) -> Reply:
        asked = dialect.parse(_object_in(request.body))
        async with self._at_work(asked.content) as fault:
            return self.desk.reply(asked, fault, dialect, request.gone)

    async def _embed(self, request: HttpRequest) -> Reply:
        asked = parse_embeddings(_object_in(request.body), self._behaviour, self._openai)
        async with self._at_work(asked.content) as fault:
            vectors = None
            if fault not in UNPAID:
                async with self._embedding:  # a model is used by one thread at a time
                    made = await asyncio.to_thread(self._behaviour.embedder, asked.texts)
                vectors = shortened(made, asked.dimensions)
            return self.desk.vectors_reply(asked, vectors, fault, self._openai, request.gone)

    @asynccontextmanager
    async def _at_work(self, content: str) -> AsyncIterator[str]:
        """Give the fault that strikes a request, after the time that an answer takes."""
        if self._over_limit():
            self.desk.note("limit")
            yield "rate_limit_bare" if self._behaviour.retry_after_s is None else "rate_limit"
            return
        self._n_at_work += 1
        self._counts.peak_concurrency = max(self._counts.peak_concurrency, self._n_at_work)
        try:
            fault = self.desk.plan.draw(content)
            self.desk.note(fault)
            await self._wait(content, fault)
            yield fault
        finally:
            self._n_at_work -= 1

    def _over_limit(self) -> bool:
        """Tell whether a request is one too many; note it if it is not."""
        most = self._behaviour.max_concurrent
        if most is not None and self._n_at_work >= most:
            return True
        if self._behaviour.max_per_second is None:
            return False
        now = time.monotonic()
        while self._arrivals and self._arrivals[0] <= now - 1:
            self._arrivals.popleft()
        if len(self._arrivals) >= self._behaviour.max_per_second:
            return True
        self._arrivals.append(now)
        return False

    async def _wait(self, content: str, fault: str) -> None:
        delay = self._behaviour.delay_s
        if delay and self._behaviour.jitter:
            draw = random.Random(f"{self._behaviour.faults.seed}/{content}/delay")
            delay *= 1 + self._behaviour.jitter * draw.uniform(-1, 1)
        if fault == "slow":
            delay += self._behaviour.faults.slow_s
        if delay > 0:
            await asyncio.sleep(delay)


def _object_in(raw: bytes) -> Mapping[str, Any]:
    """Return the object in a body, an empty one if there is none."""
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {}


def _openai_model(name: str) -> Mapping[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "homing"}


def _anthropic_model(name: str) -> Mapping[str, Any]:
    return {
        "id": name,
        "type": "model",
        "display_name": name,
        "created_at": RELEASED,
        "lifecycle": "active",
    }
