"""Asks one request until it is answered in a way that can be understood, or given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from homing.llm.budget import Budget
from homing.llm.ledger import FailedCall, Ledger, Spent, price_of_call
from homing.llm.limiter import Limiter, Turn
from homing.llm.provider import (
    ChatAnswer,
    ChatRequest,
    Provider,
    ProviderError,
    RequestRefused,
    TransientFailure,
)
from homing.llm.tries import Caller, Limits, Tries

MAX_LONGER = 16
"""Times `max_tokens`: no answer that was cut off is asked for at more length."""
MAX_LOST_IN_A_ROW = 50
"""So many requests given up with no answer between them mean that the provider is down."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request, the key its answer is kept under and what it is about, for people."""

    key: str
    item_id: str
    request: ChatRequest


class Outcome(Enum):
    """What became of a request."""

    FOUND = auto()
    ANSWERED = auto()
    UNUSABLE = auto()
    FAILED = auto()
    LEFT = auto()


class Asker:
    """Asks the requests of one run; one coroutine each, all in one event loop.

    Attributes:
        is_stopping: Set it, and no new try is begun.
        under_way: The tasks that wait for the provider now.
        show: Called after a failure, which may have made all calls pause.
    """

    def __init__(
        self,
        provider: Provider,
        ledger: Ledger,
        budget: Budget,
        limits: Limits,
        *,
        purpose: str,
        understand: Callable[[ChatAnswer], bool],
        per_million: tuple[float, float] | None,
        again: bool,
        limiter: Limiter | None = None,
    ) -> None:
        self.budget = budget
        self.limits = limits
        self._caller = Caller(provider.name, limits, limiter)
        self.limiter = self._caller.limiter
        self.is_stopping = False
        self.under_way: set[asyncio.Task[Any]] = set()
        self.show: Callable[[], None] = lambda: None
        self._provider = provider
        self._ledger = ledger
        self._purpose = purpose
        self._understand = understand
        self._per_million = per_million
        self._again = again
        self._n_calls = self._n_unpriced = self._input_tokens = self._output_tokens = 0
        self._n_lost_in_a_row = 0

    @property
    def spent(self) -> Spent:
        """What the answers of this run came to."""
        return Spent(
            self._n_calls,
            self._input_tokens,
            self._output_tokens,
            self.budget.spent_usd,
            self._n_unpriced,
        )

    def known(self, key: str) -> Outcome | None:
        """Return what the ledger says of a request, None if it is to be asked."""
        call = self._ledger.find(key)
        if call is None:
            return None
        if call.usable:
            return Outcome.FOUND
        is_hopeless = self._ledger.n_unusable(key) >= self.limits.max_unusable
        return Outcome.UNUSABLE if is_hopeless and not self._again else None

    async def ask(self, item: Wanted, turn: Turn) -> Outcome:
        """Return what became of a request after as many tries as it takes.

        Args:
            turn: Leave for the first try.

        Raises:
            ProviderError: The provider will answer no other request either.
        """
        n_allowed = self.limits.max_unusable
        n_allowed += self._ledger.n_unusable(item.key) if self._again else 0
        request = self._longer_if_cut_off(item)
        tries = Tries(self.limits.max_tries, self._n_calls)
        while (got := await self._try(item, request, turn)) is not None:
            if got is True:
                return Outcome.ANSWERED
            if got is False:
                if self._ledger.n_unusable(item.key) >= n_allowed:
                    return Outcome.UNUSABLE
                request = self._longer_if_cut_off(item)
            elif isinstance(got, RequestRefused):
                return self._give_up(item, "refused", str(got), tries.n + 1)
            elif tries.are_used_up(got, self._n_calls):
                return self._give_up(item, got.kind, str(got), tries.n)
            else:
                await self._caller.back_off(tries.n)
            if self.is_stopping:
                break
            turn = await self.limiter.turn()
        return Outcome.LEFT

    def _longer_if_cut_off(self, item: Wanted) -> ChatRequest:
        """Return the request, asking for more length if the answer before this was cut off."""
        last = self._ledger.find(item.key)
        if last is None or last.answer.finish != "length":
            return item.request
        base = item.request.max_tokens
        longer = 2 * max(base, min(last.answer.output_tokens, MAX_LONGER * base // 2))
        return replace(item.request, max_tokens=longer)

    async def _try(
        self, item: Wanted, request: ChatRequest, turn: Turn
    ) -> bool | TransientFailure | RequestRefused | None:
        """Return whether the answer was of use, why there was none, or None: out of budget."""
        try:
            is_longer = request.max_tokens > item.request.max_tokens
            kept_usd = await self.budget.keep(request, is_longer=is_longer)
        except asyncio.CancelledError:
            self.limiter.give_back(turn)
            raise
        if kept_usd is None or self.is_stopping:
            self.limiter.give_back(turn)
            if kept_usd is not None:
                self.budget.settle(kept_usd)
            return None
        began = time.monotonic()
        try:
            answer = await self._call(request)
        except TransientFailure as failure:
            self.budget.settle(kept_usd, may_be_billed=failure.kind not in ("rate_limit", "server"))
            self._caller.slow_down(turn, failure)
            self.show()
            return failure
        except BaseException as error:  # all but a refusal is raised again
            self.budget.settle(kept_usd)
            self.limiter.give_back(turn)
            if isinstance(error, RequestRefused):
                return error
            raise
        seconds = time.monotonic() - began
        answer = answer if answer.seconds else replace(answer, seconds=seconds)
        is_usable = self._record(item, answer, kept_usd)
        self.limiter.answered(turn, seconds)
        return is_usable

    async def _call(self, request: ChatRequest) -> ChatAnswer:
        task = asyncio.current_task()
        assert task is not None
        self.under_way.add(task)
        try:
            return await self._caller.in_time(self._provider.ask(request))
        finally:
            self.under_way.discard(task)

    def _record(self, item: Wanted, answer: ChatAnswer, kept_usd: float) -> bool:
        """Keep an answer at once, and return whether it is of use."""
        price = price_of_call(answer, self._per_million)
        is_usable = False
        try:
            is_usable = answer.finish == "stop" and bool(self._understand(answer))
        finally:  # it is paid for, whatever is wrong with it or with who reads it
            self._ledger.record(
                item.key,
                answer,
                provider=self._provider.name,
                purpose=self._purpose,
                item_id=item.item_id,
                usable=is_usable,
                price_usd=price,
            )
            self.budget.settle(kept_usd, price, answer.output_tokens)
        self._n_calls += 1
        self._n_unpriced += price is None
        self._input_tokens += answer.input_tokens
        self._output_tokens += answer.output_tokens
        self._n_lost_in_a_row = 0
        return is_usable

    def _give_up(self, item: Wanted, reason: str, detail: str, n_tries: int) -> Outcome:
        """List a request as failed.

        Raises:
            ProviderError: So many in a row were lost that none will be had.
        """
        failed = FailedCall(item.key, item.item_id, reason, detail, n_tries)
        self._ledger.record_failure(failed, provider=self._provider.name, purpose=self._purpose)
        self._n_lost_in_a_row += reason != "refused"
        if self._n_lost_in_a_row >= MAX_LOST_IN_A_ROW:
            raise ProviderError(
                f"The last {MAX_LOST_IN_A_ROW} requests to {self._provider.name} failed, each "
                f"after {self.limits.max_tries} tries; the last one so: {detail} Run the same "
                "command again when it answers: what was answered is kept."
            )
        return Outcome.FAILED
