"""When one request is given up."""

from __future__ import annotations

from homing.llm.provider import TransientFailure

MAX_WAITS = 10
"""Times `max_tries`: so often is one request turned away by a server that answers others."""


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
