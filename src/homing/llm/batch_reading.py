"""Reads what batches bring into the ledger, and keeps count of what became of each request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from homing.llm.asking import Outcome, Wanted
from homing.llm.batch_api import BatchAPI, BatchResult
from homing.llm.batch_budget import BatchBudget
from homing.llm.batch_shelf import Shelf
from homing.llm.dispatch import Asked
from homing.llm.ledger import FailedCall, Ledger, Spent, price_of_call
from homing.llm.provider import ChatAnswer, ChatRequest, ProviderError
from homing.llm.tries import Limits


@dataclass(slots=True)
class Sent:
    """A batch that is with the provider.

    Attributes:
        keys: All of its requests, those that nobody wants now included.
        open: Those that are wanted and not settled.
        was_before: An earlier run sent it, and may have read some of its answers.
        n_done: Of all its requests, as the provider says.
        kept_usd: Of the budget.
        again: Those that must be asked again.
        fatal: Why no more will be answered.
    """

    keys: Sequence[str]
    open: set[str]
    was_before: bool = False
    n_done: int = 0
    kept_usd: float = 0.0
    again: set[str] = field(default_factory=set)
    fatal: ProviderError | None = None

    @property
    def n_done_of_mine(self) -> int:
        """How many of the open ones are done, as near as can be known."""
        return min(len(self.open), self.n_done)


class Reader:
    """Settles the requests of one run."""

    def __init__(
        self,
        api: BatchAPI,
        ledger: Ledger,
        shelf: Shelf,
        budget: BatchBudget,
        limits: Limits,
        purpose: str,
        understand: Callable[[ChatAnswer], bool],
        again: bool,
    ) -> None:
        self.api, self.ledger, self.shelf, self.budget = api, ledger, shelf, budget
        self.limits, self.purpose = limits, purpose
        self._understand = understand
        self._again = again
        self._counts = dict.fromkeys(Outcome, 0)
        self._n_calls = self._n_unpriced = self._input_tokens = self._output_tokens = 0

    @property
    def n_answered(self) -> int:
        """How many were answered now."""
        return self._counts[Outcome.ANSWERED]

    @property
    def n_settled(self) -> int:
        """How many need no more asking."""
        return sum(self._counts.values())

    def take(self, item: Wanted, input_tokens: int) -> None:
        """Put a request on the shelf, unless the ledger has what is wanted."""
        if item.key in self.shelf:
            self.shelf[item.key].n_repeats += 1
            return
        call = self.ledger.find(item.key)
        if call is not None and call.usable:
            self._counts[Outcome.FOUND] += 1
            return
        n_unusable = self.ledger.n_unusable(item.key) if call is not None else 0
        if n_unusable >= self.limits.max_unusable and not self._again:
            self._counts[Outcome.UNUSABLE] += 1
            return
        n_allowed = self.limits.max_unusable + (n_unusable if self._again else 0)
        self.shelf.put(item, n_unusable=n_allowed, input_tokens=input_tokens)

    def read(self, batch_id: str, sent: Sent) -> list[str]:
        """Record what a batch brought, and return the keys that must be asked again.

        Broken off by a `TransientFailure`, it goes on where it was when called again.

        Raises:
            ProviderError: No more will be answered; what was is kept.
        """

        def wanted(key: str) -> ChatRequest | None:
            return self.shelf.request(key) if key in sent.open else None

        for result in self.api.results(batch_id, wanted):
            self._settle(result, sent)
        for key in [key for key in sent.keys if key in sent.open]:
            self._settle(BatchResult(key, None, "server", "The batch ended without it."), sent)
        self._let_go(batch_id, sent)
        if sent.fatal is not None:
            raise sent.fatal
        return [key for key in sent.keys if key in sent.again]

    def asked(self, stopped_by_budget: bool, seconds: float) -> Asked:
        """Return the counts; what is still on the shelf was not asked."""
        n_left = sum(1 + self.shelf[key].n_repeats for key in self.shelf)
        return Asked(
            n_found=self._counts[Outcome.FOUND],
            n_answered=self._counts[Outcome.ANSWERED],
            n_unusable=self._counts[Outcome.UNUSABLE],
            n_failed=self._counts[Outcome.FAILED],
            n_left=n_left,
            spent=Spent(
                self._n_calls,
                self._input_tokens,
                self._output_tokens,
                self.budget.spent_usd,
                self._n_unpriced,
            ),
            stopped_by_budget=stopped_by_budget,
            seconds=seconds,
        )

    def _settle(self, result: BatchResult, sent: Sent) -> None:
        """Note what became of a request, or that it must be asked again."""
        sent.open.discard(result.key)
        held = self.shelf[result.key]
        if result.answer is not None:
            if self._record(result.key, result.answer, held.item_id, sent):
                self._end(result.key, Outcome.ANSWERED)
            elif self.ledger.n_unusable(result.key) >= held.n_unusable:
                self._end(result.key, Outcome.UNUSABLE)
            else:
                sent.again.add(result.key)
            return
        sent.fatal = sent.fatal or result.fatal
        held.n_tries += result.fatal is None
        if not result.is_final and held.n_tries < self.limits.max_tries:
            sent.again.add(result.key)
            return
        failed = FailedCall(result.key, held.item_id, result.reason, result.detail, held.n_tries)
        self.ledger.record_failure(failed, provider=self.api.name, purpose=self.purpose)
        self._end(result.key, Outcome.FAILED)

    def _record(self, key: str, answer: ChatAnswer, item_id: str, sent: Sent) -> bool:
        """Keep an answer at once, and return whether it is of use."""
        if sent.was_before and self._is_recorded(key, answer):
            return False
        price = price_of_call(answer, self.budget.per_million)
        is_usable = False
        try:
            is_usable = answer.finish == "stop" and self._understand(answer)
        finally:  # it is paid for, whatever is wrong with it or with who reads it
            self.ledger.record(
                key,
                answer,
                provider=self.api.name,
                purpose=self.purpose,
                item_id=item_id,
                usable=is_usable,
                price_usd=price,
            )
            self.budget.note(price, answer.output_tokens)
        self._n_calls += 1
        self._n_unpriced += price is None
        self._input_tokens += answer.input_tokens
        self._output_tokens += answer.output_tokens
        return is_usable

    def _is_recorded(self, key: str, answer: ChatAnswer) -> bool:
        """Return whether the run that sent the batch had read this answer, of no use, already."""
        last = self.ledger.find(key)
        return last is not None and (
            (last.answer.text, last.answer.input_tokens, last.answer.output_tokens)
            == (answer.text, answer.input_tokens, answer.output_tokens)
        )

    def _end(self, key: str, outcome: Outcome) -> None:
        repeated = Outcome.FOUND if outcome is Outcome.ANSWERED else outcome
        self._counts[outcome] += 1
        self._counts[repeated] += self.shelf[key].n_repeats
        self.shelf.take_off(key)

    def _let_go(self, batch_id: str, sent: Sent) -> None:
        """Close a batch, unless it has answers that somebody may want another time."""
        foreign = [
            key
            for key in sent.keys
            if key not in self.shelf
            and self.ledger.find(key) is None
            and self.ledger.failure(key) is None
        ]
        if foreign and len(foreign) < len(sent.keys):
            self.ledger.record_batch(
                batch_id, foreign, provider=self.api.name, purpose=self.purpose
            )
        elif not foreign:
            self.ledger.close_batch(batch_id)
