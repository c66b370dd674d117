"""Several of an SDK's clients that look like one, so that many calls at once stay cheap.

An HTTP client looks through all its connections, and asks the system about the idle ones, whenever
a call begins or ends: with 64 of them that is a fifth of what a call costs. A client for each
`CALLS_EACH` calls at once keeps the look short. Clients are made when they are first needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CALLS_EACH = 8


class Pools:
    """As many clients as the calls at once need; the first that has room takes the next call."""

    def __init__(self, make: Callable[[], Any]) -> None:
        """Begin with one client; `make` returns a new one."""
        self._make = make
        self._clients = [make()]
        self._n_calls = [0]

    async def post(self, *arguments: Any, **options: Any) -> Any:
        """Return what a client's `post` does."""
        at = self._with_room()
        self._n_calls[at] += 1
        try:
            return await self._clients[at].post(*arguments, **options)
        finally:
            self._n_calls[at] -= 1

    async def get(self, *arguments: Any, **options: Any) -> Any:
        """Return what a client's `get` does."""
        return await self._clients[0].get(*arguments, **options)

    async def close(self) -> None:
        """Close all clients."""
        for client in self._clients:
            await client.close()

    def _with_room(self) -> int:
        """Return the place of the first client with room, a new one if there is none."""
        for at, n_calls in enumerate(self._n_calls):
            if n_calls < CALLS_EACH:
                return at
        self._clients.append(self._make())
        self._n_calls.append(0)
        return len(self._clients) - 1
