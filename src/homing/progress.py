"""Progress and messages on stderr: bars on a terminal, plain lines elsewhere.

Stages call `track` and `say`; nobody passes a reporter around. stdout is left to results. Where the
work is done in a process on another machine, `told_to` hands over what it says, and `Retelling`
shows it in the process that a person looks at.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

_quiet = False
_muted = ContextVar("muted", default=False)
"""Of this thread alone: whoever works beside it is heard."""
Event = tuple[Any, ...]
"""What was said, or that a task began, came further or ended; plain values, the kind first."""
_teller: Callable[[Event], None] | None = None
"""Takes what would be shown, where that is done elsewhere."""
_display: Any = None
"""The bars on the terminal while there are any; work inside other work adds a row to them."""
PLAIN_INTERVAL_S = 10.0
WORTH_A_LINE_S = 1.0
TOLD_INTERVAL_S = 0.5


def configure(*, quiet: bool) -> None:
    """Set whether messages and bars are shown at all."""
    global _quiet
    _quiet = quiet


@contextmanager
def muted() -> Iterator[None]:
    """Show neither messages nor bars of this thread while the block runs, such as a timed one."""
    token = _muted.set(True)
    try:
        yield
    finally:
        _muted.reset(token)


def mute_thread() -> None:
    """Show neither messages nor bars of this thread from now on."""
    _muted.set(True)


def is_silent() -> bool:
    """Return whether this thread's messages and bars are left out."""
    return _quiet or _muted.get()


def say(message: str) -> None:
    """Print one message line to stderr."""
    if is_silent():
        return
    if _teller is not None:
        _teller(("say", message))
    else:
        print(message, file=sys.stderr, flush=True)


class Task:
    """One counted piece of work; `advance` as it goes, `note` a short text beside the bar.

    Attributes:
        done: Items that are done.
        before: Of these, how many an earlier run did.
    """

    def __init__(self, description: str, total: int | None) -> None:
        self.description = description
        self.total = total
        self.done = self.before = 0
        self.text = ""
        self.started = time.monotonic()

    def advance(self, n: int = 1, *, before: int = 0) -> None:
        """Count `n` more items as done; `before` of them by an earlier run."""
        self.done += n
        self.before += before

    def already(self, n: int) -> None:
        """Count `n` more items that an earlier run did: they say nothing about the rate."""
        self.advance(n, before=n)

    def note(self, text: str) -> None:
        """Show a short text beside the count, such as the present loss."""
        self.text = text

    def line(self) -> str:
        """Return the state as plain text with rate and time left."""
        parts = [f"{self.description}: {self.done:,}"]
        if self.total is not None:
            parts[0] += f" of {self.total:,}"
        parts.append(f"{self.rate():,.1f}/s")
        if (left_s := self.left_s()) is not None:
            parts.append(f"{left_s:.0f} s left")
        elif self.total is not None and self.done >= self.total:
            parts.append(f"{self._elapsed_s():.1f} s")
        return "  ".join([*parts, self.text] if self.text else parts)

    def rate(self) -> float:
        """Return how many items a second this run does."""
        return (self.done - self.before) / self._elapsed_s()

    def left_s(self) -> float | None:
        """Return the seconds that the rest will take, None where that cannot be told."""
        if self.total is None or not self.before < self.done < self.total:
            return None
        return (self.total - self.done) / self.rate()

    def _elapsed_s(self) -> float:
        return max(time.monotonic() - self.started, 1e-9)


class _PlainTask(Task):
    """Writes a line every `PLAIN_INTERVAL_S`, so that a log file stays readable."""

    def __init__(self, description: str, total: int | None) -> None:
        super().__init__(description, total)
        self.last = self.started

    def advance(self, n: int = 1, *, before: int = 0) -> None:
        super().advance(n, before=before)
        now = time.monotonic()
        is_last = self.done == self.total  # `track` writes that line itself
        if not is_last and now - self.last >= PLAIN_INTERVAL_S:
            self.last = now
            say(self.line())


class _BarTask(Task):
    """A rich progress bar."""

    def __init__(self, description: str, total: int | None, bar: Any) -> None:
        super().__init__(description, total)
        self.bar = bar
        self.row = bar.add_task(description, total=total, text="", left="")

    def advance(self, n: int = 1, *, before: int = 0) -> None:
        super().advance(n, before=before)
        left_s = self.left_s()
        left = "" if left_s is None else str(timedelta(seconds=round(left_s)))
        self.bar.update(self.row, completed=self.done, text=self.text, left=left)


class _ToldTask(Task):
    """Tells of itself every `TOLD_INTERVAL_S`, and when it is done."""

    def __init__(
        self, description: str, total: int | None, teller: Callable[[Event], None]
    ) -> None:
        super().__init__(description, total)
        self.teller, self.last = teller, self.started
        teller(("begin", id(self), description, total))

    def advance(self, n: int = 1, *, before: int = 0) -> None:
        super().advance(n, before=before)
        now = time.monotonic()
        if self.done == self.total or now - self.last >= TOLD_INTERVAL_S:
            self.last = now
            self._tell()

    def end(self) -> None:
        """Tell that nothing more will come."""
        self._tell()
        self.teller(("end", id(self)))

    def _tell(self) -> None:
        self.teller(("done", id(self), self.done, self.text, self.before))


@contextmanager
def told_to(teller: Callable[[Event], None]) -> Iterator[None]:
    """Hand all that this process would show to `teller` while the block runs."""
    global _teller
    _teller = teller
    try:
        yield
    finally:
        _teller = None


class Retelling:
    """Shows here, in order, what another process handed over with `told_to`."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[AbstractContextManager[Task], Task]] = {}

    def show(self, event: Event) -> None:
        """Show one event."""
        kind, *values = event
        if kind == "say":
            say(values[0])
        elif kind == "begin":
            block = track(values[1], values[2])
            self._open[values[0]] = (block, block.__enter__())
        elif values[0] in self._open and kind == "done":
            number, done, text, before = values
            _, task = self._open[number]
            task.note(text)
            task.advance(done - task.done, before=before - task.before)
        elif kind == "end":
            self._close(values[0])

    def close(self) -> None:
        """End what the other process cannot end any more."""
        for number in reversed(list(self._open)):
            self._close(number)

    def _close(self, number: int) -> None:
        if number in self._open:
            self._open.pop(number)[0].__exit__(None, None, None)


@contextmanager
def track(description: str, total: int | None) -> Iterator[Task]:
    """Show progress while the block runs; yields the `Task` to advance.

    Args:
        description: What is being done, such as "Embedding passages".
        total: Number of items, or None when unknown.
    """
    global _display
    if is_silent():
        yield Task(description, total)
        return
    if _teller is not None:
        told = _ToldTask(description, total, _teller)
        try:
            yield told
        finally:
            told.end()
        return
    if _display is not None:
        inner = _BarTask(description, total, _display)
        yield inner
        _display.remove_task(inner.row)
        return
    if not sys.stderr.isatty():
        task: Task = _PlainTask(description, total)
        yield task
        if time.monotonic() - task.started >= WORTH_A_LINE_S:
            say(task.line())
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as _display:
        try:
            yield _BarTask(description, total, _display)
        finally:
            _display = None
