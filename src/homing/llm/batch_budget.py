"""What batches may cost: a batch is sent only as long as the money lasts for all of it.

What a request costs is bounded before it is sent: one and a half times the estimated input, and
all the output that it allows; once enough answers are here, one and a half times their average
output. What was kept for a batch and not spent pays for the next one.
"""

from __future__ import annotations

from homing.errors import UsageError
from homing.llm.batch_shelf import Held

SAFETY = 1.5
ENOUGH_ANSWERS = 30


class BatchBudget:
    """Dollars that may be spent on batches.

    Attributes:
        per_million: What a million (input, output) tokens cost, or None.
        spent_usd: By this run.
        kept_usd: For batches whose answers are not here.
    """

    def __init__(
        self,
        budget_usd: float | None,
        per_million: tuple[float, float] | None,
        spent_usd: float,
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
        self.per_million = per_million
        self.spent_usd = 0.0
        self.kept_usd = 0.0
        self._most_usd = None if budget_usd is None else budget_usd - spent_usd
        self._n_answers = self._output_tokens = 0

    @property
    def has_end(self) -> bool:
        """Whether there is a budget at all."""
        return self._most_usd is not None

    @property
    def left_usd(self) -> float:
        """What another batch may cost."""
        if self._most_usd is None:
            return float("inf")
        return self._most_usd - self.spent_usd - self.kept_usd

    def bound(self, held: Held, max_tokens: int) -> float:
        """Return what a request costs at most."""
        if self.per_million is None or self._most_usd is None:
            return 0.0
        n_output: float = max_tokens
        if self._n_answers >= ENOUGH_ANSWERS:
            n_output = min(n_output, SAFETY * self._output_tokens / self._n_answers)
        n_input = SAFETY * held.input_tokens
        return (n_input * self.per_million[0] + n_output * self.per_million[1]) / 1_000_000

    def note(self, price_usd: float | None, output_tokens: int) -> None:
        """Count an answer."""
        self.spent_usd += price_usd or 0.0
        self._n_answers += 1
        self._output_tokens += output_tokens
