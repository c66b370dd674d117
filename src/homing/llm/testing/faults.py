"""What may go wrong, how often, and which request it strikes.

Shares are drawn from the seed, the content of a request and how often that content was asked
before: two runs that ask the same things meet the same faults, in whatever order they ask.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

FINE = "ok"
TRANSIENT = (
    "rate_limit",
    "rate_limit_date",
    "rate_limit_bare",
    "error_500",
    "error_503",
    "error_529",
    "cut",
    "drop",
    "malformed_json",
    "truncated",
    "empty_choices",
    "slow",
)
"""What another try gets over; `Faults.mixed` spreads its share over these."""
UNPAID = frozenset(
    {
        "rate_limit",
        "rate_limit_date",
        "rate_limit_bare",
        "quota",
        "billing",
        "bad_key",
        "unknown_model",
        "too_long",
        "error_500",
        "error_503",
        "error_529",
        "timeout",
        "drop",
    }
)
"""Where no answer is made, so that nothing is to be paid."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each thing goes wrong: a float is a share of the requests, an int a number of them.

    Numbers strike the first requests, in an order drawn from the seed; shares the rest. Of
    requests for vectors, `truncated` takes half the vectors away, `empty_choices` all, `junk`
    makes their numbers none and `wrong_content` makes them shorter; what is about words alone
    leaves them as they are.

    Attributes:
        rate_limit: 429 with `Retry-After` in seconds.
        rate_limit_date: 429 with `Retry-After` as a date.
        rate_limit_bare: 429 without `Retry-After`.
        quota: The account is empty (OpenAI: 429 `insufficient_quota`; Anthropic: 400).
        billing: The account is empty, as 402.
        bad_key: 401.
        unknown_model: 404.
        too_long: 400, the request is longer than the model's context.
        error_500: 500 with the API's error as JSON.
        error_503: 503 with a page of HTML, as from a proxy.
        error_529: 529, overloaded.
        timeout: Nothing is ever sent.
        cut: The connection breaks in the middle of the body; paid.
        drop: The connection breaks before the first byte.
        malformed_json: The body is no JSON; paid, as are all below.
        truncated: The answer ends early, with the finish reason "length".
        empty_choices: There is no answer in the reply.
        refusal: The model refuses, in the API's own way of saying so.
        content_filter: A filter has taken the answer away.
        preamble: A sentence before the answer and one after it; fences around JSON.
        other_language: The questions come in French, or in English where the passage is French.
        junk: An answer of `junk_bytes`.
        junk_body: A body of `junk_bytes` that is no JSON.
        wrong_content: Prose where JSON, or a list, was asked for.
        slow: The answer comes `slow_s` later.
        script: What befalls the first requests, in order: names as above, or "ok". Goes first.
        script_elsewhere: The same for models, files and batches, which are struck by nothing else.
        seed: Equal seeds strike equal requests.
    """

    rate_limit: float = 0
    rate_limit_date: float = 0
    rate_limit_bare: float = 0
    quota: float = 0
    billing: float = 0
    bad_key: float = 0
    unknown_model: float = 0
    too_long: float = 0
    error_500: float = 0
    error_503: float = 0
    error_529: float = 0
    timeout: float = 0
    cut: float = 0
    drop: float = 0
    malformed_json: float = 0
    truncated: float = 0
    empty_choices: float = 0
    refusal: float = 0
    content_filter: float = 0
    preamble: float = 0
    other_language: float = 0
    junk: float = 0
    junk_body: float = 0
    wrong_content: float = 0
    slow: float = 0
    script: Sequence[str] = ()
    script_elsewhere: Sequence[str] = ()
    seed: int = 0
    slow_s: float = 1.0
    junk_bytes: int = 10_000_000

    def __post_init__(self) -> None:
        if unknown := ({*self.script, *self.script_elsewhere} - {FINE, *KINDS}):
            raise ValueError(f"Unknown faults {sorted(unknown)}; known are {[FINE, *KINDS]}.")
        shares = [value for value in self.rates().values() if isinstance(value, float)]
        if any(value < 0 for value in self.rates().values()) or sum(shares) > 1 + 1e-9:
            raise ValueError("Shares of faults are at least 0 and come to at most 1 together.")

    @classmethod
    def mixed(cls, share: float, *, seed: int = 0, slow_s: float = 1.0) -> Faults:
        """Return faults that strike this share of the requests, of all transient kinds alike."""
        each = share / len(TRANSIENT)
        return cls.of(dict.fromkeys(TRANSIENT, each), seed=seed, slow_s=slow_s)

    @classmethod
    def of(cls, shares: Mapping[str, float], *, seed: int = 0, slow_s: float = 1.0) -> Faults:
        """Return faults by kind -> share or number."""
        if unknown := shares.keys() - set(KINDS):
            raise ValueError(f"Unknown faults {sorted(unknown)}; known are {list(KINDS)}.")
        rates: dict[str, Any] = dict(shares)
        return cls(**rates, seed=seed, slow_s=slow_s)

    def rates(self) -> dict[str, float]:
        """Return kind -> share or number."""
        return {kind: getattr(self, kind) for kind in KINDS}


KINDS = tuple(f.name for f in fields(Faults) if f.type == "float" and f.name != "slow_s")
"""Every kind of fault."""


class FaultPlan:
    """Which fault strikes the next request."""

    def __init__(self, faults: Faults) -> None:
        self._seed = faults.seed
        rates = faults.rates()
        counted = [kind for kind, n in rates.items() if isinstance(n, int) for _ in range(n)]
        random.Random(faults.seed).shuffle(counted)
        self._next = deque([*faults.script, *counted])
        self._elsewhere = deque(faults.script_elsewhere)
        self._shares = [(k, s) for k, s in rates.items() if isinstance(s, float) and s]
        self._tries: Counter[str] = Counter()

    def draw(self, content: str) -> str:
        """Return the fault of a request for an answer, or "ok"."""
        if self._next:
            return self._next.popleft()
        if not self._shares:
            return FINE
        self._tries[content] += 1
        drawn = random.Random(f"{self._seed}/{content}/{self._tries[content]}").random()
        for kind, share in self._shares:
            drawn -= share
            if drawn < 0:
                return kind
        return FINE

    def draw_elsewhere(self) -> str:
        """Return the fault of a request for something else than an answer, or "ok"."""
        return self._elsewhere.popleft() if self._elsewhere else FINE
