"""What a worker was answered, line by line, in a file that only grows and that others can read.

On a disk each line is there when `add` returns, so that a killed process loses none. An object
store knows no files that grow: there the lines of some seconds go together as one object of their
own. A line that was not finished is left out when it is read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from homing.storage import Place, is_remote, join, list_files, read_bytes, write_bytes

SUFFIX = ".jsonl"
SEGMENT_S = 2.0


class Journal:
    """One worker's lines; use it in a `with` block.

    Args:
        folder: Where the journals of a job lie.
        name: Of this one alone.
    """

    def __init__(self, folder: Place, name: str) -> None:
        self._folder = folder
        self._name = name
        self._file: int | None = None
        self._held: list[bytes] = []
        self._n_segments = 0
        self._began = 0.0
        self._sender: ThreadPoolExecutor | None = None
        self._sending: list[Future[None]] = []

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def add(self, row: Sequence[Any]) -> None:
        """Write one row."""
        line = json.dumps(list(row)).encode() + b"\n"
        if is_remote(self._folder):
            self._hold(line)
            return
        if self._file is None:
            path = Path(join(self._folder, self._name + SUFFIX).removeprefix("file://"))
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(self._file, line)

    def close(self) -> None:
        """Let everything be where it belongs."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._send()
        if self._sender is not None:
            self._sender.shutdown()
            self._sender = None
        for sending in self._sending:
            sending.result()

    def _hold(self, line: bytes) -> None:
        now = time.monotonic()
        self._began = self._began if self._held else now
        self._held.append(line)
        if now - self._began >= SEGMENT_S:
            self._send()

    def _send(self) -> None:
        """Send what is held, without waiting for it."""
        if not self._held:
            return
        place = join(self._folder, f"{self._name}-{self._n_segments:06d}{SUFFIX}")
        self._sender = self._sender or ThreadPoolExecutor(1)
        self._sending = [sending for sending in self._sending if not sending.done()]
        self._sending.append(self._sender.submit(write_bytes, place, b"".join(self._held)))
        self._held = []
        self._n_segments += 1


def read_journals(folder: Place, prefix: str = "") -> Iterator[list[Any]]:
    """Yield the rows of the journals in a folder whose names begin so, in the order of names."""
    for file in list_files(folder):
        if not (file.name.startswith(prefix) and file.name.endswith(SUFFIX)):
            continue
        for line in read_bytes(join(folder, file.name)).split(b"\n"):
            with suppress(ValueError):  # the last one, of a worker that was killed
                if isinstance(row := json.loads(line), list):
                    yield row
