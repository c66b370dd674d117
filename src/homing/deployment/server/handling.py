"""What every request goes through: the key, the gate, the time limit, its errors, the counters."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from homing.deployment.server.limits import ApiKey, Gate, Limits, announced_bytes, read_body
from homing.deployment.server.metrics import Metrics
from homing.deployment.server.refusals import Refusal, error_body

JSON = "application/json"
NOBODY_READS = 499
"""The status that nginx logs where the client has left."""


class RequestHandler:
    """Lets requests in, has them worked on, and answers whatever happens.

    Attributes:
        gate: How many are inside, and whether the server is about to stop.
        metrics: Where every answer is counted.
    """

    def __init__(self, api_key: ApiKey, limits: Limits) -> None:
        self.api_key, self.limits = api_key, limits
        self.gate = Gate(limits)
        self.metrics = Metrics()
        self.metrics.inside.set_function(lambda: self.gate.n_inside)

    async def answer(
        self,
        request: Request,
        endpoint: str,
        work: Callable[[Request, bytes], Awaitable[bytes]],
    ) -> Response:
        """Return what `work` makes of a request that is let in, or the error in its place.

        Args:
            endpoint: Under which it is counted.
            work: Gets the request and its body, returns JSON.
        """
        started = time.perf_counter()
        try:
            response = await self._admitted(request, work)
        except Refusal as refusal:
            response = self._refused(refusal)
        except TimeoutError:
            response = self._refused(_too_slow(self.limits))
        except (ClientDisconnect, asyncio.CancelledError) as error:
            if isinstance(error, ClientDisconnect) or await request.is_disconnected():
                self.metrics.abandoned.inc()
                return Response(status_code=NOBODY_READS)
            if not self.gate.is_closing:
                raise
            response = self._refused(_stopping())  # it has waited long enough for the rest
        except Exception:
            logging.getLogger(__name__).exception("A request to %s failed.", endpoint)
            response = self._refused(_failed())
        self._count(endpoint, response.status_code, started)
        return response

    def listed(self, request: Request, endpoint: str, look_up: Callable[[], Any]) -> Response:
        """Return what is there without any work, to whoever has the key.

        Args:
            look_up: Returns what is sent as JSON; a `Refusal` that it raises is sent in its place.
        """
        started = time.perf_counter()
        try:
            self.api_key.check(request.headers)
            response = Response(json.dumps(look_up()), media_type=JSON)
        except Refusal as refusal:
            response = self._refused(refusal)
        self._count(endpoint, response.status_code, started)
        return response

    async def _admitted(
        self, request: Request, work: Callable[[Request, bytes], Awaitable[bytes]]
    ) -> Response:
        self.api_key.check(request.headers)
        async with self.gate.admitted(announced_bytes(request.headers, self.limits)):
            async with asyncio.timeout(self.limits.timeout_s):
                body = await read_body(request, self.limits)
                return Response(await work(request, body), media_type=JSON)

    def _refused(self, refusal: Refusal) -> Response:
        self.metrics.rejected.labels(refusal.code).inc()
        return Response(refusal.body(), refusal.status, refusal.headers, media_type=JSON)

    def _count(self, endpoint: str, status: int, started: float) -> None:
        self.metrics.requests.labels(endpoint, str(status)).inc()
        self.metrics.seconds.labels(endpoint).observe(time.perf_counter() - started)


def _too_slow(limits: Limits) -> Refusal:
    return Refusal(
        504,
        f"The request took longer than {limits.timeout_s:g} s and was given up. Send fewer texts "
        "at a time, or try again when the server is less busy.",
        code="timeout",
        headers={"Retry-After": "1"},
    )


def _stopping() -> Refusal:
    return Refusal(
        503,
        "The server was told to stop and could not finish this any more. Try again.",
        code="stopping",
        headers={"Retry-After": "5", "Connection": "close"},
    )


def _failed() -> Refusal:
    return Refusal(
        500,
        "The request could not be done; what happened is in the server's log. Try again, or "
        "report it with that.",
        code="internal_error",
    )


async def http_error(_: Request, error: Exception) -> Response:
    """Return an unknown path or method in the shape of all other errors."""
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    body = error_body(error.status_code, str(error.detail), codes.get(error.status_code, "error"))
    return Response(body, error.status_code, error.headers, media_type=JSON)
