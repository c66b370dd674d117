"""A server over a model: OpenAI's embeddings, search, reranking, and what operators need.

`make_app` gives an ASGI application for any server; `homing serve` runs it with uvicorn.
"""

from __future__ import annotations

from typing import Any

from homing.errors import MissingDependencyError

__all__ = ["make_app"]

NEEDED = ("fastapi", "prometheus_client", "uvicorn")


def need_libraries() -> None:
    """Raise `MissingDependencyError` unless the extra `serve` is installed."""
    import importlib.util

    for library in NEEDED:
        if importlib.util.find_spec(library) is None:
            raise MissingDependencyError.for_extra(library.replace("_", "-"), "serve")


def make_app(*args: Any, **keywords: Any) -> Any:
    """Return the ASGI application; for its arguments see `homing.deployment.server.app.make_app`.

    Raises:
        MissingDependencyError: Without the extra `serve`.
    """
    need_libraries()
    from homing.deployment.server.app import make_app as make

    return make(*args, **keywords)
