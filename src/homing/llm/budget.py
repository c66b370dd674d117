"""What may be spent: a call begins only if the money would last were it as dear as any so far."""

from __future__ import annotations

import asyncio

from homing.errors import UsageError
from homing.llm.provider import ChatRequest
from homing.llm.tokens import estimate_tokens

SAFETY = 1.5
"""What an estimate of the input is taken times, because it is one."""


class Budget:
    """Dollars that may be spent, those that are, and those kept for calls under way.

    Attributes:
        spent_usd: By this run.
        is_exhausted: Whether a call had to be left for want of money.
    """

    def __init__(
        self,
        budget_usd: float | None,
        per_million: tuple[float, float] | None,
        spent_usd: float = 0.0,
    ) -> None:
        """Begin with what was spent before; a `budget_usd` of None has no end.

        Raises:
            UsageError: There is a budget, and no price to keep to it.
        """
        if budget_usd is not None and per_million is None:
            raise UsageError(
                "A budget needs the price of the model, which is not known. Set write.price to the "
                "dollars for a million tokens of input and of output, such as [0.25, 2.0]."
            )
        self.spent_usd = 0.0
        self.is_exhausted = False
        self._left_usd = None if budget_usd is None else budget_usd - spent_usd
        self._per_million = per_million or (0.0, 0.0)
        self._kept_usd = 0.0
        self._n_kept = 0
        self._dearest_usd = 0.0
        self._most_output_tokens = 0
        self._freed = asyncio.Event()

    async def keep(self, request: ChatRequest, *, is_longer: bool = False) -> float | None:
        """Return the dollars kept for a call, None if the money does not last for it.

        Waits while calls under way may turn out cheaper than what is kept for them.

        Args:
            is_longer: Whether it may answer at more length than those before.
        """
        if self._left_usd is None:
            return 0.0
        return await self.keep_for(most_input(request), request.max_tokens, is_longer=is_longer)

    async def keep_for(
        self, n_input: float, max_tokens: int, *, is_longer: bool = False
    ) -> float | None:
        """See `keep`: of a call with so many tokens of input, and at most so many of output."""
        if self._left_usd is None:
            return 0.0
        while not self.is_exhausted:
            seen = 0 if is_longer else self._most_output_tokens
            bound = self._bound(n_input, seen or max_tokens)
            if self.spent_usd + self._kept_usd + bound <= self._left_usd:
                self._kept_usd += bound
                self._n_kept += 1
                return bound
            if not self._n_kept:
                self.is_exhausted = True
                break
            self._freed.clear()
            await self._freed.wait()
        self._freed.set()
        return None

    def spent_before(self, usd: float) -> None:
        """Note what was spent before this run began."""
        if self._left_usd is not None:
            self._left_usd -= usd

    def settle(
        self,
        kept_usd: float,
        price_usd: float | None = None,
        output_tokens: int = 0,
        *,
        may_be_billed: bool = False,
    ) -> None:
        """Give back what was kept for a call, and note what it cost if there was an answer.

        Args:
            may_be_billed: Whether an answer may have been made that never arrived. The budget
                takes it for paid; nothing else knows of it.
        """
        if self._left_usd is not None:
            self._left_usd -= kept_usd if may_be_billed else 0.0
            self._kept_usd -= kept_usd
            self._n_kept -= 1
            self._freed.set()
        if price_usd is not None:
            self.spent_usd += price_usd
            self._dearest_usd = max(self._dearest_usd, price_usd)
            self._most_output_tokens = max(self._most_output_tokens, output_tokens)

    def _bound(self, n_input: float, n_output: int) -> float:
        """Return what a call costs at most, going by those before it once there are any."""
        price = n_input * self._per_million[0] + n_output * self._per_million[1]
        return max(self._dearest_usd, price / 1_000_000)


def most_input(request: ChatRequest) -> float:
    """Return how many tokens a request has at most, going by an estimate."""
    schema = "" if request.schema is None else str(request.schema)
    return SAFETY * estimate_tokens(f"{request.system}\n{request.user}\n{schema}")
