"""How long work takes on texts, of as many of them as there is time for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

Work = Callable[[Sequence[str]], object]


def seconds_of(work: Work, texts: Sequence[str]) -> float:
    """Return how long the work takes on the texts together, in s; never 0, for rates."""
    started = time.perf_counter()
    work(texts)
    return max(time.perf_counter() - started, 1e-9)


def one_by_one_s(work: Work, texts: Sequence[str], limit_s: float) -> list[float]:
    """Return how long each text takes, of the first that `limit_s` has time for; at least one."""
    times: list[float] = []
    while len(times) < len(texts) and sum(times) < limit_s:
        times.append(seconds_of(work, [texts[len(times)]]))
    return times
