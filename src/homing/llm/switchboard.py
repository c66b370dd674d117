"""Where the workers of one job come together: they share one limit, one budget, one main ledger.

The driver opens a switchboard, and workers connect to it (`together.py`); what they say and are
told is in `common.py`. It runs in a thread of its own, with an event loop and a connection to the
ledger of its own. Only who knows its token is let in; what is said is not encrypted, as little as
what an engine sends to its workers. Cost: some 0.1 ms of one core a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

from homing.errors import HomingError
from homing.llm.budget import Budget
from homing.llm.common import Common, Worker
from homing.llm.ledger import Spent
from homing.llm.ledger_sharing import SharedLedger
from homing.llm.messages import Messages
from homing.llm.tries import Limits, new_limiter
from homing.progress import Task

THIS_MACHINE = "127.0.0.1"
LONGEST_HELLO = 1000
HELLO_S = 10.0

Trait = tuple[str, str, str]
"""What is known of a server: server, name, value."""


@dataclass(frozen=True, slots=True)
class Door:
    """How a worker gets to the switchboard.

    Attributes:
        host: Its address.
        token: Who says it is let in.
        has_budget: Whether money has to be kept for each call.
        shares_pace: Whether there is one limit for all; False where each worker asks a model of
            its own.
        traits: What the main ledger knows of servers.
    """

    host: str
    port: int
    token: str = field(repr=False)
    has_budget: bool = False
    shares_pace: bool = True
    traits: tuple[Trait, ...] = ()


class Switchboard:
    """Use it in a `with` block; workers may come and go while it runs.

    Args:
        ledger: The main one.
        limits: Of all workers together.
        per_million: Dollars for a million (input, output) tokens; None if not known.
        budget_usd: Most dollars of this run and what workers find that was spent before.
        task: The progress bar, which counts requests.
        host: Where to listen; workers must be able to reach it.
        shares_pace: See `Door`.

    Attributes:
        error: What ended it that no worker has raised.
        knows_calls: Whether there was any answer in the ledger to begin with.

    Raises:
        UsageError: There is a budget but no price.
        HomingError: The host is no address of this machine, or the ledger cannot be used.
    """

    def __init__(
        self,
        ledger: Path,
        limits: Limits,
        *,
        per_million: tuple[float, float] | None = None,
        budget_usd: float | None = None,
        task: Task | None = None,
        host: str = THIS_MACHINE,
        shares_pace: bool = True,
    ) -> None:
        self.error: Exception | None = None
        self.knows_calls = False
        self._ledger_file = ledger
        self._limits = limits
        self._budget_usd = budget_usd
        self._budget = Budget(budget_usd, per_million)
        self._task = task or Task("Asking", None)
        self._host, self._port = host, 0
        self._shares_pace = shares_pace
        self._token = secrets.token_hex(16)
        self._traits: tuple[Trait, ...] = ()

    @property
    def door(self) -> Door:
        """How workers get here, once it runs."""
        has_budget = self._budget_usd is not None
        return Door(
            self._host, self._port, self._token, has_budget, self._shares_pace, self._traits
        )

    @property
    def is_stopped(self) -> bool:
        """Whether a worker, or `stop`, ended the asking."""
        return bool(self._common.reason)

    @property
    def stopped_by_budget(self) -> bool:
        """Whether a call had to be left for want of money."""
        return self._budget.is_exhausted

    @property
    def spent(self) -> Spent:
        """What the answers of this run came to, those of lost workers included."""
        return self._common.spent

    def stop(self, reason: str) -> None:
        """Let no further call begin, in any worker."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._common.stop, reason)

    def __enter__(self) -> Switchboard:
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="homing-switchboard", daemon=True
        )
        self._thread.start()
        ready.wait()
        if self.error is not None:
            raise self.error
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._listen(ready))
        except Exception as error:  # raised again by whoever opened it
            self.error = error
        finally:
            ready.set()

    async def _listen(self, ready: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        limiter = new_limiter(self._limits)
        with SharedLedger(self._ledger_file) as ledger:
            self._common = Common(ledger, limiter, self._budget, self._task)
            self._traits = tuple(ledger.traits())
            self.knows_calls = ledger.spent().n_calls > 0
            try:
                server = await asyncio.start_server(self._serve, self._host, 0)
            except OSError as error:
                raise HomingError(
                    f"{self._host} cannot be listened on ({error}), so that no worker could be "
                    "told how many calls it may make. Check the network of this machine."
                ) from error
            self._port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._end.wait()
            server.close()
            limiter.close()
            await self._common.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        worker = Worker(Messages(reader, writer))
        try:
            if await self._is_let_in(worker.messages):
                self._common.welcome(worker)
                while heard := await worker.messages.hear():
                    self._common.take(worker, heard)
        except Exception as error:  # a full disk, or what nobody thought of: nothing more is paid
            self.error = self.error or error
            self._common.stop(str(error))
        finally:
            self._common.forget(worker)
            await worker.messages.close()

    async def _is_let_in(self, messages: Messages) -> bool:
        try:
            async with asyncio.timeout(HELLO_S):
                heard = await messages.hear(LONGEST_HELLO)
        except (ValueError, TimeoutError):
            return False
        if len(heard) != 1 or not isinstance(heard[0], list) or heard[0][:1] != ["hello"]:
            return False
        return hmac.compare_digest(str(heard[0][-1]).encode(), self._token.encode())


def own_address() -> str:
    """Return the address of this machine as others in its network know it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: only the way there is looked up
        except OSError:
            return THIS_MACHINE
        return str(probe.getsockname()[0])
