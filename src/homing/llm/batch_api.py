"""What a provider's batch API is to the rest: one file for each SDK implements it.

Its calls are plain functions that wait: a batch takes minutes to a day, and nothing else runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import IO, Literal, Protocol

from homing.llm.provider import ChatAnswer, ChatRequest, ProviderError, TransientFailure

Status = Literal["running", "ended", "cancelled", "rejected", "full", "gone"]
Requests = Callable[[str], ChatRequest | None]
"""Returns the request of a key, None for those whose answers are not wanted now."""
CLOCKS_DIFFER_S = 600.0
"""How far the provider's clock may be behind ours when we look for a batch sent since a moment."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is.

    Attributes:
        status: "ended" has results, for some requests at least; "cancelled" too, but a person has
            broken it off; "rejected" has none and will be rejected again; "full" was not begun
            because too much waits already; "gone" is not known to the provider any more.
        n_done: Requests done so far, well or badly.
        detail: The provider's words, where it was rejected.
    """

    status: Status
    n_done: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one request of a batch.

    Attributes:
        key: The request's, as it was sent.
        answer: None where there is none.
        reason: Why there is none, as in `FailedCall`.
        is_final: Whether it will be so every time.
        fatal: What keeps the provider from answering any request, such as an empty account.
    """

    key: str
    answer: ChatAnswer | None
    reason: str = ""
    detail: str = ""
    is_final: bool = False
    fatal: ProviderError | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """By what a batch is known again whose id was lost between the provider and the ledger.

    Attributes:
        moment: Unix time just before it was sent.
        label: Unique; put on the batch where the provider has a place for it.
    """

    moment: float
    label: str
    keys: Collection[str]


class MaybeAccepted(TransientFailure):
    """No reply came to the sending of a batch, and it may have been accepted nevertheless."""


class BatchAPI(Protocol):
    """A provider's batches.

    All but `line` may raise `TransientFailure` and `ProviderError`, as `Provider.ask` does.

    Attributes:
        name: The provider's, "openai:gpt-5-mini".
        max_bytes: Most bytes of a batch that it takes, or that fit into memory on the way.
    """

    name: str
    max_bytes: int

    def line(self, key: str, request: ChatRequest) -> bytes:
        """Return a request as one line of JSON with its line break; what `ask` would send."""
        ...

    def send(self, lines: IO[bytes], label: str) -> str:
        """Return the id of a new batch of these lines, once the provider has accepted it.

        Raises:
            MaybeAccepted: Look for it with `find` before another try.
        """
        ...

    def find(self, mark: Mark) -> Iterator[str]:
        """Yield the ids of batches that may be the marked one, the likeliest first."""
        ...

    def state(self, batch_id: str) -> BatchState:
        """Return how far a batch is."""
        ...

    def results(self, batch_id: str, wanted: Requests) -> Iterator[BatchResult]:
        """Yield what became of the wanted requests of a batch that has ended, in any order."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...
