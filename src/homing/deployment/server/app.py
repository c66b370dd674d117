"""The application: what each of its routes does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from homing.deployment.server import embeddings, reranking
from homing.deployment.server.batching import Batcher, Batching
from homing.deployment.server.handling import JSON, RequestHandler, http_error
from homing.deployment.server.limits import ApiKey, Limits
from homing.deployment.server.model import WARM_UP, ServedModel, Text
from homing.deployment.server.openapi import describe, explained
from homing.deployment.server.refusals import Refusal, bad_request
from homing.deployment.server.schemas import EmbeddingsRequest, RerankRequest, SearchRequest
from homing.deployment.server.searching import SearchIndex
from homing.deployment.server.sizing import batching_for, n_cores, threads_for
from homing.progress import mute_thread, muted
from homing.retrieval.reranking import PairScorer
from homing.types import FloatArray

Asked = TypeVar("Asked", bound=BaseModel)
NO_SEARCH = (
    "There is nothing to search: no bundle of passages lies with the model. Serve a workspace, or "
    "make a bundle: homing serve MODEL --corpus DATASET"
)
NO_RERANKER = "There is no reranker here. Serve one with: homing serve … --reranker FOLDER"


def make_app(
    model: ServedModel,
    *,
    index: SearchIndex | None = None,
    scorer: PairScorer | None = None,
    api_key: str | None = None,
    limits: Limits | None = None,
    batching: Batching | None = None,
    why_no_search: str = NO_SEARCH,
) -> FastAPI:
    """Return the application; its lifespan, which ASGI servers run, starts the model's thread.

    Args:
        index: What `/v1/search` looks into; without it 404 with `why_no_search`.
        scorer: What `/v1/rerank` asks; without it 404.
        api_key: What requests to `/v1/…` have to carry; None lets all in.
        batching: How runs are made up; None takes what suits the encoder and this machine.
    """
    return _Service(
        model, index, scorer, ApiKey(api_key), limits or Limits(), batching, why_no_search
    ).application()


class _Service:
    """The handlers, and what they share."""

    def __init__(
        self,
        model: ServedModel,
        index: SearchIndex | None,
        scorer: PairScorer | None,
        api_key: ApiKey,
        limits: Limits,
        batching: Batching | None,
        why_no_search: str,
    ) -> None:
        self.model, self.index, self.scorer = model, index, scorer
        self.handler = RequestHandler(api_key, limits)
        self.batching = batching or batching_for(model.encoder, n_cores())
        self.why_no_search = why_no_search
        self.started = int(time.time())
        self.embedder: Batcher[Text, tuple[FloatArray, int]]
        self.reader: Batcher[reranking.Pair, float]
        self.searcher: ThreadPoolExecutor

    def application(self) -> FastAPI:
        app = FastAPI(
            title="Homing",
            summary="Embeddings, search and reranking by a tuned model.",
            lifespan=self.lifespan,
            redoc_url=None,
        )
        app.state.gate, app.state.metrics = self.handler.gate, self.handler.metrics
        describe(app, self)
        app.add_exception_handler(HTTPException, http_error)
        return app

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            silent = partial(ThreadPoolExecutor, initializer=mute_thread)
            stack.enter_context(threads_for(self.model.encoder, self.batching))
            run = stack.enter_context(silent(self.batching.n_runs, "model"))
            self.searcher = stack.enter_context(silent(1, "search"))
            # Once alone, so that what a model or tokenizer sets up at its first use is there.
            with muted():
                self.model.embed(WARM_UP)
            self.embedder = await stack.enter_async_context(
                self._batcher("embed", self.model.embed, run, self.batching)
            )
            scorer = self.scorer
            if scorer is not None:
                read = stack.enter_context(silent(1, "rerank"))
                self.reader = await stack.enter_async_context(
                    self._batcher("rerank", scorer.score, read, replace(self.batching, n_runs=1))
                )
            yield
            self.handler.gate.is_closing = True

    def _batcher(
        self, name: str, work: Any, executor: ThreadPoolExecutor, batching: Batching
    ) -> Batcher[Any, Any]:
        metrics = self.handler.metrics
        texts, seconds = metrics.batch_texts.labels(name), metrics.batch_seconds.labels(name)

        def on_run(n_texts: int, run_s: float) -> None:
            texts.observe(n_texts)
            seconds.observe(run_s)

        batcher: Batcher[Any, Any] = Batcher(work, executor, batching=batching, on_run=on_run)
        metrics.queued_texts.labels(name).set_function(lambda: batcher.n_waiting)
        return batcher

    async def embeddings(self, request: Request) -> Response:
        """Embed texts, as OpenAI's API does."""
        return await self.handler.answer(request, "embeddings", self._embed)

    async def search(self, request: Request) -> Response:
        """Search the bundled passages."""
        return await self.handler.answer(request, "search", self._search)

    async def rerank(self, request: Request) -> Response:
        """Put documents in order, as Cohere's API does."""
        return await self.handler.answer(request, "rerank", self._rerank)

    async def _embed(self, request: Request, body: bytes) -> bytes:
        asked = _parsed(EmbeddingsRequest, body)
        is_query = embeddings.asks_for_queries(asked, self.model)
        dimensions = embeddings.check_dimensions(asked, self.model)
        texts = embeddings.texts_of(asked, self.handler.limits)
        vectors, n_tokens = await self._vectors(request, texts, is_query)
        return await embeddings.embeddings_json(
            embeddings.cut(vectors, dimensions),
            n_tokens,
            name=asked.model or self.model.name,
            as_base64=asked.encoding_format == "base64",
        )

    async def _vectors(
        self, request: Request, texts: list[str], is_query: bool
    ) -> tuple[FloatArray, int]:
        """Return the texts' vectors and how many tokens they took together."""
        costs = [self.model.estimate(text) for text in texts]
        items = [(text, is_query) for text in texts]
        found = await self.embedder.do(items, costs, request.is_disconnected)
        n_tokens = sum(count for _, count in found)
        self.handler.metrics.tokens.inc(n_tokens)
        return np.stack([vector for vector, _ in found]), n_tokens

    async def _search(self, request: Request, body: bytes) -> bytes:
        asked = _parsed(SearchRequest, body)
        index = self.index
        if index is None:
            raise Refusal(404, self.why_no_search, code="no_search")
        embeddings.check_name(asked.model, self.model)
        embeddings.check_lengths([asked.query], self.handler.limits, "query")
        if asked.k > self.handler.limits.max_results:
            raise bad_request(f"k is at most {self.handler.limits.max_results:,}.", param="k")
        mode, vector, n_tokens = asked.mode or "fused", None, 0
        if mode != "bm25":
            vectors, n_tokens = await self._vectors(request, [asked.query], True)
            vector = vectors[0]
        loop = asyncio.get_running_loop()
        hits = await loop.run_in_executor(
            self.searcher, index.search, asked.query, vector, mode, asked.k
        )
        usage = {"prompt_tokens": n_tokens, "total_tokens": n_tokens}
        answer = {"object": "list", "mode": mode, "results": hits, "usage": usage}
        return json.dumps(answer, ensure_ascii=False).encode()

    async def _rerank(self, request: Request, body: bytes) -> bytes:
        asked = _parsed(RerankRequest, body)
        if self.scorer is None:
            raise Refusal(404, NO_RERANKER, code="no_reranker")
        pairs = reranking.pairs_of(asked, self.handler.limits)
        costs = [reranking.estimate(pair) for pair in pairs]
        scores = await self.reader.do(pairs, costs, request.is_disconnected)
        return reranking.rerank_json(asked, pairs, scores)

    async def models(self, request: Request) -> Response:
        """List the names under which the model may be asked."""
        data = [self._model_entry(name) for name in self.model.names]
        return self.handler.listed(request, "models", lambda: {"object": "list", "data": data})

    async def model_entry(self, request: Request) -> Response:
        """Return one of those names."""
        name = request.path_params["model"]
        return self.handler.listed(request, "models", lambda: self._model_entry(name))

    def _model_entry(self, name: str) -> dict[str, Any]:
        embeddings.check_name(name, self.model)
        return {"id": name, "object": "model", "created": self.started, "owned_by": "homing"}

    async def health(self) -> Response:
        """Say that the process is alive and what it serves."""
        return self._health(200)

    async def ready(self) -> Response:
        """Say whether requests should be sent here: 503 from when it is told to stop."""
        return self._health(503 if self.handler.gate.is_closing else 200)

    def _health(self, status: int) -> Response:
        answer = {
            "status": "stopping" if self.handler.gate.is_closing else "ok",
            "model": self.model.name,
            "search": self.index is not None,
            "rerank": self.scorer is not None,
        }
        return Response(json.dumps(answer), status, media_type=JSON)

    async def prometheus(self) -> Response:
        """Return the server's counters for Prometheus."""
        text, media_type = self.handler.metrics.text()
        return Response(text, media_type=media_type)


def _parsed(kind: type[Asked], body: bytes) -> Asked:
    """Return the body as what it should be.

    Raises:
        Refusal: It is not: 400, which names the field.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise explained(error, body) from error
