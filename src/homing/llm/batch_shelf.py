"""Requests that wait for their batch, in a file that vanishes: memory holds their keys alone.

Instructions and schema, which thousands of requests share, are kept once. Cost: about 300 bytes of
memory and the length of the passage on disk for each request.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from homing.llm.asking import Wanted
from homing.llm.provider import ChatRequest


@dataclass(slots=True)
class Held:
    """What memory keeps of a request.

    Attributes:
        n_unusable: Answers of no use that it may have, those in the ledger included.
        n_tries: How often it failed in this run.
        n_repeats: How often it was wanted again.
        input_tokens: Estimate; 0 where nobody needs one.
    """

    item_id: str
    max_tokens: int
    n_unusable: int
    input_tokens: int
    start: int
    length: int
    n_tries: int = 0
    n_repeats: int = 0


class Shelf:
    """The requests that are to be answered, by key, in the order in which they came."""

    def __init__(self) -> None:
        # Closed by `__exit__`; the system deletes it even after `kill -9`.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._end = 0
        self._held: dict[str, Held] = {}
        self._frames: list[tuple[str, Mapping[str, Any] | None]] = []
        self._frame_ids: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def __getitem__(self, key: str) -> Held:
        return self._held[key]

    def put(self, item: Wanted, *, n_unusable: int, input_tokens: int) -> None:
        """Keep a request until it is taken off."""
        request = item.request
        frame = (request.system, json.dumps(request.schema, sort_keys=True))
        if frame not in self._frame_ids:
            self._frame_ids[frame] = len(self._frames)
            self._frames.append((request.system, request.schema))
        parts = [self._frame_ids[frame], request.user, request.max_tokens, request.temperature]
        raw = json.dumps(parts).encode()
        self._file.seek(self._end)
        self._file.write(raw)
        self._held[item.key] = Held(
            item.item_id, request.max_tokens, n_unusable, input_tokens, self._end, len(raw)
        )
        self._end += len(raw)

    def request(self, key: str) -> ChatRequest:
        """Return a request as it was put here."""
        held = self._held[key]
        self._file.seek(held.start)
        frame, user, max_tokens, temperature = json.loads(self._file.read(held.length))
        system, schema = self._frames[frame]
        return ChatRequest(system, user, schema, max_tokens, temperature)

    def take_off(self, key: str) -> None:
        """Forget a request, which is answered or given up."""
        del self._held[key]
