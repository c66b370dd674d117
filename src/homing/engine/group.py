"""What it takes to have several processes work on one thing together, each on its share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from homing.storage import Place

Item = TypeVar("Item")
Value = TypeVar("Value")


class Group(Protocol):
    """Processes that know of each other by `homing.ranks`, and by torch.distributed."""

    def size(self) -> int:
        """Return how many processes there would be now."""
        ...

    def device(self) -> str:
        """Return what each process computes on, "cuda" or "cpu"."""
        ...

    def place_of(self, path: Path) -> Place:
        """Return the place of a path of this machine as every process can reach it."""
        ...

    def run(
        self, function: Callable[[Item], Value], item: Item, folder: Place, *, most: int
    ) -> Value:
        """Return what `function(item)` gives in the first of the processes, all of which call it.

        Where a process is lost, all begin again: the function goes on from what it kept.

        Args:
            function: Importable by name.
            item: What it is given, picklable; HomingErrors that it raises come back as they are.
            folder: A place of this call alone, for what has to be passed.
            most: Most processes that can share the work.

        Raises:
            EngineError: Processes were lost again and again.
        """
        ...
