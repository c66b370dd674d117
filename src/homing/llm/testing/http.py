"""As much of HTTP/1.1 as a client of a model's API uses, with control over the raw bytes.

Keep-alive and bodies by length or in chunks. No library is used, because what has to go wrong
here (a body cut in the middle, a connection that stays silent) is what libraries prevent. Cost:
about 0.1 ms of one core a request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 512 * 1024 * 1024
Ending = Literal["whole", "cut", "drop", "hang"]
_OVERLOADED = 529


@dataclass(slots=True)
class HttpRequest:
    """One request; `gone` tells whether the client has hung up since. Header names are small."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    gone: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back.

    Attributes:
        ending: "whole"; "cut": the connection breaks in the middle of the body; "drop": it breaks
            before the first byte; "hang": nothing is ever sent.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    ending: Ending = "whole"


Handler = Callable[[HttpRequest], Awaitable[Reply]]


class BadRequest(Exception):
    """What came is no HTTP request that can be read."""


def json_reply(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a reply that carries a value as JSON."""
    return Reply(status, json.dumps(value, ensure_ascii=False).encode(), headers or {})


async def serve_connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler
) -> None:
    """Answer the requests of one connection until either side closes it."""
    try:
        while (request := await _read_request(reader)) is not None:
            reply = await handle(request)
            if not await _send(reply, reader, writer):
                break
            if request.headers.get("connection", "").lower() == "close":
                break
    except (BadRequest, ValueError) as error:
        await _send(Reply(400, str(error).encode(), {}, "text/plain"), reader, writer)
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # the client hung up, or speaks something else
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    """Return the next request, None when the client has closed the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3:
        raise BadRequest("The first line is no HTTP request line.")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    path, _, query = parts[1].partition("?")
    return HttpRequest(
        method=parts[0],
        path=unquote(path),
        query=dict(parse_qsl(query)) if query else {},
        headers=headers,
        body=await _read_body(reader, headers),
        gone=reader.at_eof,
    )


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        pieces: list[bytes] = []
        while n := int((await reader.readline()).split(b";")[0], 16):
            pieces.append(await reader.readexactly(n))
            await reader.readline()
        while (await reader.readline()).strip():
            pass  # trailers
        return b"".join(pieces)
    n = int(headers.get("content-length", "0"))
    if not 0 <= n <= MAX_BODY_BYTES:
        raise BadRequest(f"A body of {n} bytes is not read.")
    return await reader.readexactly(n) if n else b""


async def _send(reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send a reply and tell whether the connection is still of use."""
    if reply.ending == "hang":
        await reader.read()
        return False
    if reply.ending == "drop":
        writer.transport.abort()
        return False
    head = [
        f"HTTP/1.1 {reply.status} {_reason(reply.status)}",
        f"content-type: {reply.content_type}",
        f"content-length: {len(reply.body)}",
        *(f"{name}: {value}" for name, value in reply.headers.items()),
        "\r\n",
    ]
    raw = "\r\n".join(head).encode("latin-1")
    if reply.ending == "cut":
        writer.write(raw + reply.body[: len(reply.body) // 2])
        await writer.drain()
        return False
    writer.write(raw + reply.body)
    await writer.drain()
    return True


def _reason(status: int) -> str:
    return "Overloaded" if status == _OVERLOADED else HTTPStatus(status).phrase
