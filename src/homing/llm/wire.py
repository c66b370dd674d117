"""What the SDKs leave to their users: bounded bodies, when to come back, readable errors."""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

from homing.errors import UsageError
from homing.llm.provider import ProviderError, TransientFailure

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_CONNECTIONS = 1000
CONNECT_S = 10.0
MAX_MESSAGE = 300


def http_client(sdk: Any, timeout_s: float, max_bytes: int = MAX_BODY_BYTES) -> Any:
    """Return the SDK's own HTTP client with room for many connections and bounded bodies.

    A body of more than `max_bytes` is an error. Over aiohttp, whose parser is in C and whose pool
    is not searched at every call.
    """
    import httpx2

    return sdk.DefaultAioHttpClient(
        limits=httpx2.Limits(
            max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS
        ),
        timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
        event_hooks={"response": [partial(_bound_body, max_bytes=max_bytes)]},
        # Unpacking is not bounded, and answers are short.
        headers={"Accept-Encoding": "identity"},
    )


async def _bound_body(response: Any, max_bytes: int) -> None:
    """Make the reading of a body stop with an error at `max_bytes`."""
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > max_bytes:
        raise _too_long(max_bytes)
    response.stream = _bounded_stream()(response.stream, max_bytes)


def _too_long(max_bytes: int) -> TransientFailure:
    return TransientFailure("malformed", f"The reply is longer than {max_bytes // 2**20} MB.")


@lru_cache(1)
def _bounded_stream() -> Any:
    """Return the class of bounded streams; its base is in a library that is loaded when used."""
    import httpx2

    class BoundedStream(httpx2.AsyncByteStream):
        def __init__(self, stream: Any, max_bytes: int) -> None:
            self._stream = stream
            self._max_bytes = max_bytes

        async def __aiter__(self) -> AsyncIterator[bytes]:
            n_bytes = 0
            async for piece in self._stream:
                n_bytes += len(piece)
                if n_bytes > self._max_bytes:
                    raise _too_long(self._max_bytes)
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    return BoundedStream


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long a reply asks to wait, None if it does not; `now` is the Unix time."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        wait = headers.get("retry-after")
        if not wait:
            return None
        if re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", wait):
            return max(0.0, float(wait))
        return max(0.0, email.utils.parsedate_to_datetime(wait).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def read_json(body: bytes) -> Mapping[str, Any]:
    """Return the object in a body.

    Raises:
        TransientFailure: There is none.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TransientFailure("malformed", "The reply is no JSON object.")
    return value


def error_of(body: bytes) -> tuple[str, str]:
    """Return an error's codes and its message, of however a server puts it; "" for what it lacks.

    The codes are its `code`, `type` and `param`, with blanks between them.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        text = body[:4000].decode("utf-8", "replace")
        value = None if "<html" in text.lower() or "<!doctype" in text.lower() else text
    inner = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(inner, dict):
        return "", _one_line(inner)
    codes = " ".join(str(inner[name]) for name in ("code", "type", "param") if inner.get(name))
    return codes, _one_line(inner.get("message") or inner.get("detail") or inner)


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    return " ".join(text.split())[:MAX_MESSAGE]


def checked_url(base_url: str) -> str:
    """Return a base URL that can be used.

    Raises:
        UsageError: It is none.
    """
    try:
        parts = urlsplit(base_url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number, or a bracket without its other
        is_good = False
    if not is_good:
        raise UsageError(
            f"{base_url!r} is no base URL. Give one such as http://localhost:11434/v1 (--base-url)."
        )
    return base_url.rstrip("/")


def address_of(base_url: str) -> str:
    """Return host and port of a URL, without a password that may stand in it."""
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.hostname}:{port}"


def checked_key(key: str, variable: str) -> str:
    """Return a key without the white space that copying brings.

    Raises:
        ProviderError: It can be no key; it is not shown.
    """
    key = key.strip()
    if not key.isascii() or any(c.isspace() or not c.isprintable() for c in key):
        raise ProviderError(
            f"{variable} holds characters that are in no key, such as a line break or a letter "
            "with an accent. Set it again."
        )
    return key
