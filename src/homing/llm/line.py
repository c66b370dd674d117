"""A worker's line to the switchboard: what is said, asked and told, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from homing.errors import HomingError
from homing.llm.limiter import Turn
from homing.llm.messages import Message, Messages
from homing.llm.switchboard import Door

CONNECT_S = 30.0


class StoppedError(HomingError):
    """The asking was ended by somebody else, or the switchboard is gone."""


class Line:
    """A connection to the switchboard, in one event loop; one reader, and everybody speaks.

    Attributes:
        on_end: Told why nothing more is to be asked.
        on_turn: Given each turn that comes.
    """

    def __init__(self, messages: Messages) -> None:
        self.on_end: Callable[[Exception], None] = lambda error: None
        self.on_turn: Callable[[Turn], None] = lambda turn: None
        self.ended: Exception | None = None
        self._messages = messages
        self._replies: dict[int, asyncio.Future[list[Any]]] = {}
        self._n_asked = 0
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, door: Door) -> Line:
        """Return a line.

        Raises:
            StoppedError: Nobody answers.
        """
        try:
            async with asyncio.timeout(CONNECT_S):
                line = cls(Messages(*await asyncio.open_connection(door.host, door.port)))
                line.tell("hello", door.token)
                first = await line._messages.hear()
        except (OSError, TimeoutError, ValueError) as error:
            raise _unreached(door, error) from error
        if not first:
            raise _unreached(door, "it hangs up")
        line._take(first)
        line._reading = asyncio.create_task(line._read())
        return line

    def tell(self, name: str, *values: Any) -> None:
        """Say something that needs no reply."""
        self._messages.say(name, *values)

    async def ask(self, name: str, *values: Any) -> list[Any]:
        """Return the reply to something.

        Raises:
            StoppedError: None will come.
        """
        if self.ended is not None:
            raise self.ended
        self._n_asked += 1
        reply: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._replies[self._n_asked] = reply
        self._messages.say(name, self._n_asked, *values)
        return await reply

    async def close(self) -> None:
        """Send what was said, and hang up."""
        if self._reading is not None:
            self._reading.cancel()
        await self._messages.close()

    async def _read(self) -> None:
        with contextlib.suppress(ValueError):
            while heard := await self._messages.hear():
                self._take(heard)
        self._end("The job that this worker works for is gone.")

    def _take(self, heard: Iterable[Message]) -> None:
        for name, *values in heard:
            if name == "turn":
                self.on_turn(Turn(*values))
            elif name == "reply":
                reply = self._replies.pop(values[0])
                if not reply.done():
                    reply.set_result(values[1:])
            elif name == "stop":
                self._end(values[0])

    def _end(self, reason: str) -> None:
        if self.ended is None:
            self.ended = StoppedError(reason)
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(self.ended)
            self.on_end(self.ended)


def _unreached(door: Door, why: object) -> StoppedError:
    return StoppedError(
        f"A worker cannot reach the job at {door.host}:{door.port} ({why}). Run the job on a "
        "machine that the workers can connect to, such as the cluster's own."
    )
