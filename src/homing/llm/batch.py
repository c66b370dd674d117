"""Asks through the provider's batch API: half the price, answers within a day.

The same door as `dispatch.ask_all`. What is missing is cut into batches; each is in the ledger
from the moment it is sent, so that whatever kills this job, the next run goes on waiting for the
same batches and sends none of them again. Answers are read line by line into the ledger. What came
back without an answer, or with one of no use, goes into a following batch. Cost: memory for the
keys alone (`batch_shelf.py`), one request to the provider for each batch and poll.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import IO

from homing.errors import UsageError
from homing.llm.asking import MAX_LONGER, Wanted
from homing.llm.batch_api import BatchAPI
from homing.llm.batch_budget import BatchBudget
from homing.llm.batch_reading import Reader, Sent
from homing.llm.batch_sending import Sender
from homing.llm.batch_shelf import Shelf
from homing.llm.dispatch import Asked
from homing.llm.ledger import Ledger
from homing.llm.prices import BATCH_FACTOR
from homing.llm.provider import ChatAnswer, ChatRequest, Provider, ProviderError, TransientFailure
from homing.llm.tokens import estimate_tokens
from homing.llm.tries import Limits
from homing.progress import Task, say, track

OUT_OF_REACH_S = 3600.0
"""For so long may the provider not answer at all; a batch is not lost by that."""
WORTH_A_BATCH = 0.02
"""A remainder of the budget that pays for less than this share of the answers is left over."""


def ask_in_batches(
    provider: Provider,
    wanted: Iterable[Wanted],
    ledger: Ledger,
    *,
    purpose: str,
    understand: Callable[[ChatAnswer], bool],
    limits: Limits | None = None,
    per_million: tuple[float, float] | None = None,
    budget_usd: float | None = None,
    spent_usd: float = 0.0,
    again: bool = False,
    title: str = "Asking",
    total: int | None = None,
    poll_s: float = 30.0,
    max_requests: int = 20_000,
    max_bytes: int = 100_000_000,
) -> Asked:
    """Return what became of the requests, once each is answered, given up or out of budget.

    As `dispatch.ask_all`, save that it waits for batches: after Ctrl-C or `kill -9` they go on at
    the provider, and the same call fetches them. The provider is not closed.

    Args:
        limits: Of these `max_tries`, `max_unusable` and `timeout_s` hold.
        per_million: The full price; batches are counted at half of it.
        budget_usd: A batch is sent only if the money lasts for it at the bound that
            `batch_budget.py` names.
        poll_s: Pause between two looks at the batches.
        max_requests: Most requests of one batch.
        max_bytes: Most bytes of one.

    Raises:
        ProviderError: The provider takes no batch, or rejects one; the message has its words.
        UsageError: There is a budget but no price, or the provider has no batches.
    """
    limits = limits or Limits()
    half = None
    if per_million is not None:
        half = (per_million[0] * BATCH_FACTOR, per_million[1] * BATCH_FACTOR)
    budget = BatchBudget(budget_usd, half, spent_usd)
    began = time.monotonic()
    api = batch_api(provider, limits.timeout_s)
    try:
        with Shelf() as shelf, track(title, total) as task:
            reader = Reader(api, ledger, shelf, budget, limits, purpose, understand, again)
            job = _Job(reader, task, poll_s, max_requests, min(max_bytes, api.max_bytes))
            stopped = job.run(wanted)
            return reader.asked(stopped, time.monotonic() - began)
    finally:
        api.close()


def batch_api(provider: Provider, timeout_s: float) -> BatchAPI:
    """Return the batch API that belongs to a provider.

    Raises:
        UsageError: It has none.
    """
    from homing.llm.anthropic import AnthropicProvider
    from homing.llm.openai import OpenAIProvider

    if isinstance(provider, OpenAIProvider):
        from homing.llm.batch_openai import OpenAIBatches

        return OpenAIBatches(provider, timeout_s)
    if isinstance(provider, AnthropicProvider):
        from homing.llm.batch_anthropic import AnthropicBatches

        return AnthropicBatches(provider, timeout_s)
    raise UsageError(
        f"{provider.name} has no batches. Leave --batch out; openai: and anthropic: have them."
    )


class _Job:
    """One run: sends what is missing, waits, and sends what is still missing."""

    def __init__(
        self, reader: Reader, task: Task, poll_s: float, max_requests: int, max_bytes: int
    ) -> None:
        self._reader = reader
        self._shelf, self._budget = reader.shelf, reader.budget
        self._sender = Sender(reader.api, reader.ledger, reader.purpose, pause_s=min(poll_s, 2.0))
        self._task = task
        self._poll_s = poll_s
        self._max_requests = max_requests
        self._max_now = max_requests
        self._max_bytes = max_bytes
        self._pending: deque[str] = deque()
        self._sent: dict[str, Sent] = {}
        self._is_full = False
        self._answered_at = time.monotonic()

    def run(self, wanted: Iterable[Wanted]) -> bool:
        """Ask for all, and return whether the budget left some over."""
        self._plan(wanted)
        try:
            while True:
                self._send()
                self._show()
                if not self._sent:
                    return bool(self._pending)
                if not self._look():
                    time.sleep(self._poll_s)
        except KeyboardInterrupt:
            if self._sent:
                say(f"{self._with_provider()} They go on there; the same command fetches them.")
            raise

    def _plan(self, wanted: Iterable[Wanted]) -> None:
        """Sort the requests into had, on the way and to be sent."""
        reader, shelf = self._reader, self._shelf
        for item in wanted:
            n_input = _estimate(item.request) if self._budget.has_end else 0
            reader.take(item, n_input)
        on_the_way: set[str] = set()
        for batch_id, keys in self._sender.earlier(shelf).items() if len(shelf) else ():
            mine = {key for key in keys if key in shelf} - on_the_way
            on_the_way |= mine
            self._add(batch_id, Sent(keys, mine, was_before=True))
        if on_the_way:
            say(f"Waiting for batches sent before: {len(on_the_way):,} requests.")
        self._pending.extend(key for key in shelf if key not in on_the_way)

    def _add(self, batch_id: str, sent: Sent) -> None:
        bounds = (
            self._budget.bound(self._shelf[k], self._request(k).max_tokens) for k in sent.open
        )
        sent.kept_usd = sum(bounds) if self._budget.has_end else 0.0
        self._budget.kept_usd += sent.kept_usd
        self._sent[batch_id] = sent

    def _send(self) -> None:
        """Send what is pending, as far as the provider and the budget take it."""
        while self._pending and not self._is_full:
            with tempfile.TemporaryFile() as lines:
                keys, money_ended = self._cut(lines)
                few = max(1.0, WORTH_A_BATCH * self._reader.n_answered)
                if money_ended and (self._sent or len(keys) < few):
                    self._pending.extendleft(reversed(keys))
                    return
                batch_id = self._sender.send(lines, keys, self._reader.limits.max_tries)
            self._add(batch_id, Sent(keys, set(keys)))
            if money_ended:
                return

    def _cut(self, lines: IO[bytes]) -> tuple[list[str], bool]:
        """Take a batch off what is pending; return its keys, and whether the money ended it."""
        keys: list[str] = []
        n_bytes = 0
        left_usd = self._budget.left_usd
        while self._pending and len(keys) < self._max_now:
            key = self._pending[0]
            request = self._request(key)
            left_usd -= self._budget.bound(self._shelf[key], request.max_tokens)
            if left_usd < 0:
                return keys, True
            line = self._reader.api.line(key, request)
            n_bytes += len(line)
            if keys and n_bytes > self._max_bytes:
                break
            lines.write(line)
            keys.append(self._pending.popleft())
        return keys, False

    def _request(self, key: str) -> ChatRequest:
        """Return the request, for more length if the answer before this was cut off."""
        request = self._shelf.request(key)
        last = self._reader.ledger.find(key)
        if last is None or last.answer.finish != "length":
            return request
        most = request.max_tokens
        longer = 2 * max(most, min(last.answer.output_tokens, MAX_LONGER * most // 2))
        return replace(request, max_tokens=longer)

    def _look(self) -> bool:
        """Look at every batch once; return whether one has come to its end."""
        n_before = len(self._sent)
        for batch_id, sent in list(self._sent.items()):
            try:
                self._look_at(batch_id, sent)
                self._answered_at = time.monotonic()
            except TransientFailure as failure:
                self._bear(failure)
            self._show()
        return len(self._sent) < n_before

    def _look_at(self, batch_id: str, sent: Sent) -> None:
        reader = self._reader
        state = reader.api.state(batch_id)
        sent.n_done = state.n_done
        if state.status == "running":
            return
        if state.status in ("ended", "cancelled"):
            again = reader.read(batch_id, sent)
            self._max_now = min(2 * self._max_now, self._max_requests)
        else:
            again = [key for key in sent.keys if key in sent.open]
            reader.ledger.close_batch(batch_id)
        del self._sent[batch_id]
        self._budget.kept_usd -= sent.kept_usd
        self._pending.extend(again)
        self._is_full = state.status == "full"
        if state.status == "rejected" or (self._is_full and not self._fits_later(len(sent.keys))):
            raise ProviderError(
                f"{reader.api.name} rejected a batch of {len(sent.keys):,} requests: "
                f"{state.detail} {self._with_provider()}".strip()
            )
        if state.status == "cancelled" and again:
            raise ProviderError(
                f"The batch {batch_id} was cancelled at the provider. What it had answered is "
                f"kept; the same command asks for the rest. {self._with_provider()}".strip()
            )

    def _fits_later(self, n_requests: int) -> bool:
        """Return whether a batch that was too much may be sent later or smaller."""
        if not self._sent:
            self._is_full = False
            self._max_now = n_requests // 2
        return self._max_now > 0

    def _bear(self, failure: TransientFailure) -> None:
        if time.monotonic() - self._answered_at > OUT_OF_REACH_S:
            raise ProviderError(
                f"{self._reader.api.name} has not answered for an hour: {failure} "
                f"{self._with_provider()} The same command fetches them."
            ) from failure

    def _with_provider(self) -> str:
        n_open = sum(len(sent.open) for sent in self._sent.values())
        if not n_open:
            return ""
        return f"{n_open:,} requests in {len(self._sent)} batches are with the provider."

    def _show(self) -> None:
        n_done = self._reader.n_settled + sum(s.n_done_of_mine for s in self._sent.values())
        parts = [f"{len(self._sent)} batches at the provider"] if self._sent else []
        parts += [f"${self._budget.spent_usd:.2f}"] if self._budget.per_million else []
        self._task.note(", ".join(parts))
        self._task.advance(max(0, n_done - self._task.done))


def _estimate(request: ChatRequest) -> int:
    frame = _estimate_once(request.system) + _estimate_once(str(request.schema or ""))
    return frame + estimate_tokens(request.user)


@lru_cache(maxsize=64)
def _estimate_once(text: str) -> int:
    return estimate_tokens(text)
