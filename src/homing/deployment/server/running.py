"""The server's process: its socket, its signals, its end."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import Any

from homing.errors import HomingError, UsageError

LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
KEEP_ALIVE_S = 75
GRACE_S = 5
"""Beyond the time that a request may take, before what is left is broken off."""


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address, so that trouble shows before a model is loaded.

    Args:
        port: 0 lets the system choose.

    Raises:
        UsageError: The address is none, or the port is in use or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"Cannot listen on {host} port {port}: {getattr(error, 'strerror', None) or error}. "
            "Choose another with --port, or stop what uses it."
        ) from error
    return bound


def run(app: Any, bound: socket.socket, *, timeout_s: float, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; what was accepted by then is finished first.

    Args:
        bound: What to listen on.
        timeout_s: How long a request may take.
        on_ready: Called when requests are answered.

    Raises:
        HomingError: The server did not start.
        KeyboardInterrupt: It ended by Ctrl-C.
    """
    import uvicorn

    class Server(uvicorn.Server):  # type: ignore[misc]
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                on_ready()

        def handle_exit(self, sig: int, frame: Any) -> None:
            app.state.gate.is_closing = True
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=int(timeout_s) + GRACE_S,
        server_header=False,
        ws="none",
        # Longer than clients keep theirs, who else would ask on one that is being closed.
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    # uvicorn raises the signal again when all is done; by then SIGTERM has had its effect.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        server = Server(config)
        server.run(sockets=[bound])
    except SystemExit as error:
        raise HomingError("The server could not be started; its log above says why.") from error
    finally:
        signal.signal(signal.SIGTERM, before)
        bound.close()
