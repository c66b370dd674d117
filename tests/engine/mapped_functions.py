"""Functions for the tests of engines: workers import them by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def double(number: int) -> int:
    return 2 * number


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def die_on_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def leave(code: int) -> int:
    if code:
        os._exit(code)
    return code


def refuse_even(number: int) -> int:
    if number % 2 == 0:
        raise ValueError(f"cannot read\n{number!r}")
    return number


def make_function(_: int) -> Callable[[], int]:
    return lambda: 1


def megabytes(n: int) -> bytes:
    return bytes([n]) * (n * 1_000_000)


def none(_: int) -> None:
    return None


class Fragile:
    """Can be pickled, and cannot be unpickled."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fragile) and other.number == self.number

    def __hash__(self) -> int:
        return self.number

    def __reduce__(self) -> tuple[Callable[[int], Fragile], tuple[int]]:
        return break_apart, (self.number,)


def break_apart(number: int) -> Fragile:
    raise RuntimeError(f"number {number} fell apart")


def unlucky(item: Fragile) -> int:
    return item.number


class Unloadable:
    """A function that arrives nowhere."""

    def __reduce__(self) -> tuple[Callable[[int], Fragile], tuple[int]]:
        return break_apart, (7,)

    def __call__(self, item: int) -> int:
        return item


class Model:
    """Something that is loaded at the first item, and says so with a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.weights: list[int] = []

    def __call__(self, number: int) -> int:
        if not self.weights:
            self.weights = [1, 2, 3]
            (self.folder / f"loaded-{os.getpid()}-{time.monotonic_ns()}").touch()
        time.sleep(0.02)
        return sum(self.weights) * number


class Counted:
    """Notes each time that it is called in a file of the item's own, and takes its time."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds

    def __call__(self, number: int) -> int:
        with (self.folder / f"{number}.calls").open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(self.seconds)
        return number * number


def around(name: str) -> str | None:
    return os.environ.get(name)


def working_folder(_: int) -> str:
    return os.getcwd()


def worker_pid(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


class Deadly:
    """Notes that it is called, and ends its process at the number 2."""

    def __init__(self, folder: Path) -> None:
        self.counted = Counted(folder, 0.0)

    def __call__(self, number: int) -> int:
        self.counted(number)
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number


class Noting:
    """Naps, and notes before which process does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, seconds: float) -> float:
        note = self.folder / f"{seconds}-{os.getpid()}.partial"
        note.write_text(str(os.getpid()))
        note.rename(note.with_suffix(".pid"))
        return nap(seconds)
