"""The test server: a thread that listens on 127.0.0.1 until its `with` block ends."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from homing.errors import HomingError
from homing.llm.testing.behaviour import Behaviour
from homing.llm.testing.counts import Bookkeeping, Counts
from homing.llm.testing.faults import FaultPlan, Faults
from homing.llm.testing.http import MAX_HEAD_BYTES, serve_connection
from homing.llm.testing.service import Service

HOST = "127.0.0.1"
BACKLOG = 1024


@dataclass(kw_only=True, eq=False)
class TestServer(Behaviour):
    """Speaks OpenAI's and Anthropic's APIs; use it as `with TestServer(...) as server`.

    Attributes:
        port: Where it listens; 0 lets the system choose, and is replaced by what it chose.
        state_file: JSON lines, one for each paid answer; counts go on from what it holds.
    """

    __test__: ClassVar[bool] = False
    port: int = 0
    state_file: Path | None = None
    _books: Bookkeeping = field(init=False, repr=False)
    _service: Service = field(init=False, repr=False)
    _loop: asyncio.AbstractEventLoop = field(init=False, repr=False)
    _stop: asyncio.Event = field(init=False, repr=False)
    _thread: threading.Thread | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._books = Bookkeeping(self.state_file)
        self._service = Service(self, self._books)

    @property
    def url(self) -> str:
        """The base URL for OpenAI's SDK and for `--base-url`."""
        return f"{self.root_url}/v1"

    @property
    def root_url(self) -> str:
        """The base URL for Anthropic's SDK, which adds `/v1` itself."""
        return f"http://{HOST}:{self.port}"

    @property
    def counts(self) -> Counts:
        """What was asked and paid so far; goes on changing."""
        return self._books.counts

    @property
    def paid_by_content(self) -> Counter[str]:
        """Hash of what was asked -> how often an answer to it was paid."""
        return self._books.counts.paid_by_content

    def set_faults(self, faults: Faults) -> None:
        """Let other things go wrong from now on."""
        self.faults = faults
        self._service.desk.plan = FaultPlan(faults)

    def __enter__(self) -> TestServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, from a thread of this process, and return once it does.

        Raises:
            HomingError: The port is taken.
        """
        ready: threading.Event = threading.Event()
        failure: list[OSError] = []

        def run() -> None:
            try:
                asyncio.run(self.serve(ready))
            except OSError as error:
                failure.append(error)
                ready.set()

        self._thread = threading.Thread(target=run, name="homing-test-server", daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            message = f"Port {self.port} of {HOST} cannot be had ({failure[0]}). Choose another."
            raise HomingError(message) from failure[0]

    def stop(self) -> None:
        """Break all connections, close the state file and return when that is done."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._thread = None
        self._books.close()

    async def serve(self, ready: threading.Event | None = None) -> None:
        """Listen until `stop` is called, or this is cancelled."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                await serve_connection(reader, writer, self._service.handle)
            except asyncio.CancelledError:
                writer.transport.abort()
            finally:
                connections.discard(task)

        listener = await asyncio.start_server(
            connected, HOST, self.port, limit=MAX_HEAD_BYTES, backlog=BACKLOG
        )
        self.port = listener.sockets[0].getsockname()[1]
        if ready is not None:
            ready.set()
        try:
            await self._stop.wait()
        finally:
            listener.close()
            for task in connections:
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)
