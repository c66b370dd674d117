"""Ray for the tests of the engine; a process has one cluster at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from homing.engine.ray import RayEngine


@pytest.fixture(scope="module")
def ray_engine() -> Iterator[RayEngine]:
    """An engine with two workers on a cluster of this machine; its start takes some seconds."""
    pytest.importorskip("ray")
    with RayEngine(n_workers=2) as engine:
        engine.connect()
        yield engine


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Return a function that waits for a condition, and fails with its complaint."""

    def wait(condition: Callable[[], bool], complaint: str, patience_s: float = 30) -> None:
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, complaint
            time.sleep(0.05)

    return wait


@pytest.fixture
def commands() -> Callable[..., list[psutil.Process]]:
    """Return a function that finds living processes by a word of their command line."""

    def find(word: str, under: psutil.Process | None = None) -> list[psutil.Process]:
        found = psutil.process_iter() if under is None else under.children(recursive=True)
        return [process for process in found if word in command_of(process)]

    return find


def command_of(process: psutil.Process) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
