"""What the workers of one job have in common, and what is answered to each thing they say.

A call begins when it is given a turn by the one limiter of the job; money is kept for it in the
one budget; its answer is in the main ledger as soon as it is told. A request that a worker has
under way is that worker's until it is settled, so that equal requests in two places are paid for
once. When a worker goes away, its turns and requests are free again, and what was kept for its
calls counts as spent, because it may be.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from homing.llm.asking import Outcome
from homing.llm.budget import Budget
from homing.llm.errand import state_of_calls
from homing.llm.ledger import FailedCall, Spent
from homing.llm.ledger_sharing import CallRow, FailureRow, SharedLedger
from homing.llm.limiter import Limiter, Turn
from homing.llm.messages import Message, Messages
from homing.progress import Task


@dataclass(eq=False, slots=True)
class Worker:
    """One connection, and what it holds.

    Attributes:
        turns: Number -> leave for a call that is under way.
        n_turns: How many it was given so far.
        kept: Dollars for calls that are under way.
        requests: Keys of those that are its own until they are settled.
        waiting: What waits for a turn or for money on its behalf.
    """

    messages: Messages
    turns: dict[int, Turn] = field(default_factory=dict)
    n_turns: int = 0
    kept: list[float] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    waiting: set[asyncio.Task[None]] = field(default_factory=set)


class Common:
    """What workers have in common; lives in one event loop, in which the ledger was opened.

    Attributes:
        reason: Why no further call is to begin; "" while they do.
    """

    def __init__(self, ledger: SharedLedger, limiter: Limiter, budget: Budget, task: Task) -> None:
        self.budget = budget
        self.reason = ""
        self._ledger = ledger
        self._limiter = limiter
        self._task = task
        self._workers: set[Worker] = set()
        self._owners: dict[str, Worker] = {}
        self._given_up: dict[str, str] = {}
        self._seen: set[str] = set()
        self._outcomes: Counter[str] = Counter()
        self._n_calls = self._n_unpriced = self._n_input = self._n_output = 0
        self._usd = 0.0
        self._answers: dict[str, Callable[..., None]] = {
            "known": self._look_up,
            "spent": self._add_spent,
            "done": self._acknowledge,
            "turn": self._queue,
            "answered": self._answered,
            "limited": self._limited,
            "back": self._given_back,
            "keep": self._keep,
            "settle": self._settle_money,
            "failure": self._record_failure,
            "trait": self._record_trait,
            "settled": self._settled,
            "stop": lambda worker, reason: self.stop(reason),
        }

    @property
    def spent(self) -> Spent:
        """What the answers of this run came to, those of lost workers included."""
        return Spent(self._n_calls, self._n_input, self._n_output, self._usd, self._n_unpriced)

    def welcome(self, worker: Worker) -> None:
        """Let a worker take part."""
        self._workers.add(worker)
        worker.messages.say("welcome")
        if self.reason:
            worker.messages.say("stop", self.reason)

    async def close(self) -> None:
        """Hang up on every worker that is still there."""
        for worker in list(self._workers):
            await worker.messages.close()

    def take(self, worker: Worker, heard: Sequence[Message]) -> None:
        """Do what was said; first of all the answers are kept, together."""
        if calls := [CallRow(*message[1]) for message in heard if message[0] == "call"]:
            for call in self._ledger.take(calls):
                self._n_calls += 1
                self._n_input += call.input_tokens
                self._n_output += call.output_tokens
                self._n_unpriced += call.price_usd is None
                self._usd += call.price_usd or 0.0
        for name, *values in heard:
            if name != "call":
                self._answers[name](worker, *values)
        settled = Counter(message[2] for message in heard if message[0] == "settled")
        del settled[Outcome.LEFT.name]
        self._show(settled.total(), n_found=settled[Outcome.FOUND.name])

    def _look_up(self, worker: Worker, number: int, keys: list[str]) -> None:
        """Tell what is known of requests; those that are nobody's are now this worker's."""
        taken, free, given_up = [], [], {}
        for key in keys:
            owner = self._owners.get(key)
            if owner not in (None, worker) and not self.budget.is_exhausted:
                taken.append(key)
                continue
            if key in self._given_up:
                given_up[key] = self._given_up[key]
            free.append(key)
            if owner is None:
                self._owners[key] = worker
                worker.requests.add(key)
        calls = self._ledger.calls(free)
        failures = self._ledger.failures(free)
        worker.messages.say("reply", number, calls, failures, taken, given_up)

    def _add_spent(self, worker: Worker, number: int, keys: list[str]) -> None:
        """Count what these requests cost in earlier runs as spent, each request once."""
        new = [key for key in dict.fromkeys(keys) if key not in self._seen]
        self._seen.update(new)
        prices = [call.price_usd for call in self._ledger.calls(new)]
        self.budget.spent_before(sum(price for price in prices if price is not None))
        worker.messages.say("reply", number)

    def _acknowledge(self, worker: Worker, number: int) -> None:
        worker.messages.say("reply", number)

    def _queue(self, worker: Worker) -> None:
        self._start(worker, self._give_turn(worker))

    async def _give_turn(self, worker: Worker) -> None:
        turn = await self._limiter.turn()
        worker.n_turns += 1
        worker.turns[worker.n_turns] = turn
        worker.messages.say("turn", turn.epoch, worker.n_turns)

    def _answered(self, worker: Worker, number: int, seconds: float) -> None:
        self._limiter.answered(worker.turns.pop(number), seconds)

    def _limited(self, worker: Worker, number: int, retry_after_s: float | None) -> None:
        self._limiter.limited(worker.turns.pop(number), retry_after_s)

    def _given_back(self, worker: Worker, number: int) -> None:
        self._limiter.give_back(worker.turns.pop(number))

    def _keep(
        self, worker: Worker, number: int, n_input: float, max_tokens: int, is_longer: bool
    ) -> None:
        self._start(worker, self._keep_money(worker, number, n_input, max_tokens, is_longer))

    async def _keep_money(
        self, worker: Worker, number: int, n_input: float, max_tokens: int, is_longer: bool
    ) -> None:
        kept_usd = await self.budget.keep_for(n_input, max_tokens, is_longer=is_longer)
        if kept_usd is not None:
            worker.kept.append(kept_usd)
        worker.messages.say("reply", number, kept_usd)

    def _settle_money(
        self, worker: Worker, kept_usd: float, price_usd: float | None, n_output: int, billed: bool
    ) -> None:
        worker.kept.remove(kept_usd)
        self.budget.settle(kept_usd, price_usd, n_output, may_be_billed=billed)

    def _record_failure(self, worker: Worker, row: Sequence[Any]) -> None:
        f = FailureRow(*row)
        failed = FailedCall(f.key, f.item_id, f.reason, f.detail, f.tries)
        self._ledger.record_failure(failed, provider=f.provider, purpose=f.purpose)

    def _record_trait(self, worker: Worker, server: str, name: str, value: str) -> None:
        self._ledger.remember_trait(server, name, value)

    def _settled(self, worker: Worker, key: str, outcome: str) -> None:
        self._outcomes[outcome] += 1
        if outcome in (Outcome.FAILED.name, Outcome.UNUSABLE.name):
            self._given_up[key] = outcome
        self._release(worker, key)

    def _release(self, worker: Worker, key: str) -> None:
        worker.requests.discard(key)
        if self._owners.get(key) is worker:
            del self._owners[key]

    def _start(self, worker: Worker, work: Coroutine[Any, Any, None]) -> None:
        """Run what has to wait, as long as the worker is there."""
        task = asyncio.create_task(work)
        worker.waiting.add(task)
        task.add_done_callback(worker.waiting.discard)

    def forget(self, worker: Worker) -> None:
        """Take back what a worker that has gone away held."""
        self._workers.discard(worker)
        for task in list(worker.waiting):
            task.cancel()
        for key in list(worker.requests):
            self._release(worker, key)
        for kept_usd in worker.kept:
            self.budget.settle(kept_usd, may_be_billed=True)
        for turn in worker.turns.values():
            self._limiter.give_back(turn)

    def stop(self, reason: str) -> None:
        """Let no further call begin, in any worker."""
        if not self.reason:
            self.reason = reason or "stopped"
            for worker in self._workers:
                worker.messages.say("stop", self.reason)

    def _show(self, n_done: int, *, n_found: int) -> None:
        pace = self._limiter.pace
        n_failed = self._outcomes[Outcome.FAILED.name]
        self._task.note(state_of_calls(self.spent, n_failed, pace.limit, pace.pause_s))
        self._task.advance(n_done, before=n_found)
