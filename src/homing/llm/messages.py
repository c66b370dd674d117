"""Messages over one connection, in both directions: lists in JSON, one a line.

What is said within one round of the event loop goes out together.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

Message = list[Any]
CHUNK = 1 << 16
LONGEST = 1 << 26
"""Bytes of one message: a few dozen answers of the greatest length."""


class Messages:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._said: list[str] = []
        self._is_closed = False

    def say(self, *message: Any) -> None:
        """Send a message soon; nothing happens where the other end is gone."""
        if self._is_closed:
            return
        if not self._said:
            asyncio.get_running_loop().call_soon(self._flush)
        self._said.append(json.dumps(message))

    async def hear(self, longest: int = LONGEST) -> list[Message]:
        """Return the messages that are there, at least one; none once the other end is gone.

        Raises:
            ValueError: What came is no message, or is longer than it may be.
        """
        while True:
            try:
                data = await self._reader.read(CHUNK)
            except OSError:
                data = b""
            if not data:
                return []
            *lines, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > longest:
                raise ValueError("the message is too long")
            if lines:
                return [json.loads(line) for line in lines]

    async def close(self) -> None:
        """Send what was said, and hang up."""
        self._flush()
        self._is_closed = True
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _flush(self) -> None:
        if self._said and not self._is_closed:
            self._writer.write(("\n".join(self._said) + "\n").encode())
        self._said = []
