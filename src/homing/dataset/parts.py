"""Parts of a table or several: what a worker made of one piece of the work, whole or not there.

Every attempt writes into a fresh folder, and `done.json` beside it is written last, which says
which attempt counts and how large its files are. So half of a part is never read, nor one of which
a machine that lost its power kept the names without the bytes; and of two workers that make the
same part at the same time, one having been taken for dead, either may win.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from homing.storage import join, list_files, read_bytes, write_bytes

DONE = "done.json"
READERS = 16
"""Threads that read what `DONE` files say: a store answers many at a time, each after a while."""

Item = TypeVar("Item")
PartFunction = Callable[[Item, str], Mapping[str, Any]]
"""Takes an item, writes tables into a folder (a place), and returns what it counted (JSON)."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a worker made of one piece.

    Attributes:
        folder: The place of its tables.
        summary: What the function returned.
    """

    folder: str
    summary: Mapping[str, Any]

    def table(self, name: str) -> str:
        """Return the place of one of its tables."""
        return join(self.folder, f"{name}.parquet")


def make_part(item: tuple[str, Item], function: PartFunction[Item], folder: str) -> Part:
    """Return one part that is now made, whole; workers are given this.

    Args:
        item: Its name, and what the function is given.
        folder: Of the step's parts.
    """
    name, content = item
    attempt = uuid.uuid4().hex[:12]
    place = join(folder, name, attempt)
    summary = dict(function(content, place))
    sizes = {file.name: file.size for file in list_files(place)}
    done = {"attempt": attempt, "files": sizes, "summary": summary}
    write_bytes(join(folder, name, DONE), json.dumps(done).encode())
    return Part(place, summary)


def done_parts(folder: str) -> dict[str, Part]:
    """Return name -> part of what earlier runs finished.

    A machine that lost its power may keep names without what was in the files: such a part is none.
    """
    there = {file.name: file.size for file in list_files(folder)}
    names = [path.rpartition("/")[0] for path in there if path.endswith(f"/{DONE}")]
    with ThreadPoolExecutor(READERS) as pool:
        contents = pool.map(lambda name: read_bytes(join(folder, name, DONE)), names)
        parts = {}
        for name, content in zip(names, contents, strict=True):
            with suppress(ValueError):
                done = json.loads(content)
                attempt = f"{name}/{done['attempt']}"
                if all(there.get(f"{attempt}/{n}") == size for n, size in done["files"].items()):
                    parts[name] = Part(join(folder, attempt), done["summary"])
    return parts
