"""What differs between the APIs that the server speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from homing.llm.testing.asked import Asked
from homing.llm.testing.spoiling import Completion

Body = dict[str, Any]


class Refused(Exception):
    """A request that is refused before it is thought about.

    Attributes:
        status: HTTP status.
        body: The API's error.
    """

    def __init__(self, status: int, body: Body) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


class Dialect(Protocol):
    """One API's requests, answers and errors."""

    def parse(self, body: Mapping[str, Any]) -> Asked:
        """Return what is asked.

        Raises:
            Refused: The API would not take this.
        """
        ...

    def answer(self, asked: Asked, completion: Completion, usage: tuple[int, int]) -> Body:
        """Return the body of an answer; `usage` is input and output tokens."""
        ...

    def fault(self, kind: str, asked_model: str) -> tuple[int, Body]:
        """Return status and body of a fault that has some."""
        ...

    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the key that was sent, "" if none was."""
        ...
