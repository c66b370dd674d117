"""What the server was asked and what that cost, kept in a file if the process may be killed."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO


@dataclass(slots=True)
class Counts:
    """What a server was asked since it began, or since its state file did.

    Attributes:
        requests: All of them, of every path.
        answered: Those for an answer that got one, whatever it was worth; these are paid. Of a
            request for vectors each text counts.
        by_fault: Fault -> requests struck; "limit" is the server's own rate limit.
        by_path: "POST /v1/chat/completions" -> requests.
        asked_tokens: Input tokens of every request for an answer, paid or not.
        input_tokens: Those paid for.
        output_tokens: Those paid for.
        paid_by_content: Hash of what was asked -> how often it was paid.
        whole_by_content: The same, only of answers that nothing spoiled and that reached the
            client.
        peak_concurrency: Most requests for an answer at work at once.
    """

    requests: int = 0
    answered: int = 0
    by_fault: Counter[str] = field(default_factory=Counter)
    by_path: Counter[str] = field(default_factory=Counter)
    asked_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    paid_by_content: Counter[str] = field(default_factory=Counter)
    whole_by_content: Counter[str] = field(default_factory=Counter)
    peak_concurrency: int = 0

    @property
    def n_repeated(self) -> int:
        """How many answers that nothing spoiled were paid for again."""
        return sum(n - 1 for n in self.whole_by_content.values())

    def add_paid(self, paid: Paid) -> None:
        """Count one answer."""
        self.answered += 1
        self.input_tokens += paid.input_tokens
        self.output_tokens += paid.output_tokens
        self.paid_by_content[paid.content] += 1
        if paid.whole:
            self.whole_by_content[paid.content] += 1

    def summary(self) -> dict[str, Any]:
        """Return all numbers as plain values; contents are only counted."""
        return {
            "requests": self.requests,
            "answered": self.answered,
            "by_fault": dict(sorted(self.by_fault.items())),
            "by_path": dict(sorted(self.by_path.items())),
            "asked_tokens": self.asked_tokens,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "contents": len(self.paid_by_content),
            "repeated": self.n_repeated,
            "peak_concurrency": self.peak_concurrency,
        }


@dataclass(frozen=True, slots=True)
class Paid:
    """One answer that was paid for.

    Attributes:
        content: Hash of what was asked.
        fault: What spoiled it, or "ok".
        whole: No fault, not cut off at `max_tokens`, and the client was still there.
    """

    content: str
    fault: str
    whole: bool
    input_tokens: int
    output_tokens: int

    def line(self) -> str:
        """Return one line of a state file."""
        values = [self.content, self.fault, self.whole, self.input_tokens, self.output_tokens]
        return json.dumps(dict(zip(self.__slots__, values, strict=True))) + "\n"


def read_paid(path: Path) -> list[Paid]:
    """Return the answers in a state file; a last line that was not finished is left out."""
    paid = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else []:
        with contextlib.suppress(ValueError):
            paid.append(Paid(**json.loads(line)))
    return paid


class Bookkeeping:
    """Counts, and their file if there is one; starts from what the file holds."""

    def __init__(self, path: Path | None) -> None:
        self.counts = Counts()
        self._file: TextIO | None = None
        if path is not None:
            for paid in read_paid(path):
                self.counts.add_paid(paid)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")

    def pay(self, paid: Paid) -> None:
        """Count an answer; it is in the file before the client can see it."""
        self.counts.add_paid(paid)
        if self._file is not None:
            self._file.write(paid.line())
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
