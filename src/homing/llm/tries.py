"""How calls are tried: how many at once, how long each may take, how often, and when no more."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from homing.llm.limiter import Limiter, Pace, Turn
from homing.llm.provider import ProviderError, TransientFailure

MAX_WAITS = 10
"""Times `max_tries`: so often is one request turned away by a server that answers others."""
LONGEST_PAUSE_S = 3600.0
PATIENCE = 0.25
"""Answers that take this share of the time limit are slow enough: no more calls at once."""
GRACE_S = 0.5
"""How long calls under way may still bring what is paid for when all is to stop."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard to try.

    Attributes:
        max_concurrency: Most calls at once.
        max_tries: Of a request that fails. Being told to come back later is no failure as long as
            others are answered in the meantime.
        max_unusable: Answers to a request that cannot be understood, those of earlier runs
            included, until it is given up.
        timeout_s: For one call.
        backoff_s: The first pause before another try is up to this long; each doubles.
        max_backoff_s: Longest pause that the server did not ask for.
    """

    max_concurrency: int = 64
    max_tries: int = 6
    max_unusable: int = 3
    timeout_s: float = 120.0
    backoff_s: float = 0.5
    max_backoff_s: float = 60.0


class Caller:
    """The calls of one run to one server, in one event loop.

    Attributes:
        limiter: Says how many are made at once.
    """

    def __init__(self, name: str, limits: Limits, limiter: Limiter | None = None) -> None:
        """Begin; `name` is the server's, for error messages; None makes a limiter of its own."""
        self.limits = limits
        self.limiter = limiter or new_limiter(limits)
        self._name = name
        # Seeded by the system: jobs that were turned away together must not come back together.
        self._random = random.Random()

    async def in_time(self, call: Awaitable[Answer]) -> Answer:
        """Return what a call brings, or raise `TransientFailure` where it takes too long."""
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                return await call
        except TimeoutError as error:
            after = f"No answer after {self.limits.timeout_s:g} s."
            raise TransientFailure("timeout", after) from error

    def slow_down(self, turn: Turn, failure: TransientFailure) -> None:
        """Tell the limiter what a failure says about the number of calls.

        Raises:
            ProviderError: The server asks to wait for longer than anybody would.
        """
        pause_s = failure.retry_after_s
        if failure.kind in ("rate_limit", "timeout") or pause_s is not None:
            self.limiter.limited(turn, pause_s)
        else:
            self.limiter.give_back(turn)
        if pause_s is not None and pause_s > LONGEST_PAUSE_S:
            raise ProviderError(
                f"{self._name} asks to wait for {pause_s / 3600:.1f} hours ({failure}). "
                "Run the same command again then: what was answered is kept."
            )

    async def back_off(self, n_failures: int) -> None:
        """Pause before the next try, at random up to a time that doubles (full jitter)."""
        doubled_s = self.limits.backoff_s * 2 ** min(n_failures - 1, 30)
        await asyncio.sleep(self._random.uniform(0, min(self.limits.max_backoff_s, doubled_s)))


def new_limiter(limits: Limits) -> Limiter:
    """Return a limiter that begins with few calls, and finds out how many are taken."""
    return Limiter(Pace(limits.max_concurrency, patience_s=PATIENCE * limits.timeout_s))


class Tries:
    """How often one request failed, and how often it was only told to come back later."""

    def __init__(self, max_tries: int, n_calls: int) -> None:
        """Begin with none; `n_calls` is how many answers the run has so far."""
        self._max_tries = max_tries
        self._n_failures = self._n_waits = 0
        self._n_calls = n_calls

    @property
    def n(self) -> int:
        """How many tries brought no answer."""
        return self._n_failures + self._n_waits

    def are_used_up(self, failure: TransientFailure, n_calls: int) -> bool:
        """Count a failure and tell whether the request is to be given up.

        Args:
            n_calls: How many answers the run has now; more of them than before mean that the
                server answers others.
        """
        others_get_through = n_calls > self._n_calls
        self._n_calls = n_calls
        if failure.kind == "rate_limit" and others_get_through:
            self._n_waits += 1
        else:
            self._n_failures += 1
        return self._n_failures >= self._max_tries or self._n_waits >= MAX_WAITS * self._max_tries
