"""Clients that ask one question each, over connections that stay open; prints what they saw.

    python benchmarks/serving_load.py ADDRESS BODIES.json --clients 32 --requests 1000

A process of its own, and a light one: it shares the machine with the server that it measures.
Prints one JSON object: answers by status, seconds, and the latencies of the answers with 200.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from pathlib import Path

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


class Client(asyncio.Protocol):
    """One connection with one request on its way."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.transport: asyncio.Transport
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        request = self.load.next_request()
        if request is None:
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(HEAD_END)
        if not found:
            return
        lowered = head.lower()
        start = lowered.index(LENGTH) + len(LENGTH)
        length = int(lowered[start:].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.buffer = b""
        status = int(head[9:12])
        self.load.answered(status, time.perf_counter() - self.sent_at)
        if status == 429 and self.load.pause_s:
            asyncio.get_running_loop().call_later(self.load.pause_s, self.ask)
        else:
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self.load.left(self.sent_at and error)


class Load:
    """How much is still to be asked, and what was answered."""

    def __init__(
        self, requests: list[bytes], n: int, seconds: float, n_clients: int, pause_s: float
    ) -> None:
        self.requests, self.n_left, self.pause_s = requests, n, pause_s
        self.until = time.perf_counter() + seconds
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []
        self.n_broken = 0
        self.n_open = n_clients
        self.done = asyncio.Event()

    def next_request(self) -> bytes | None:
        if self.n_left <= 0 or time.perf_counter() > self.until:
            return None
        self.n_left -= 1
        return self.requests[self.n_left % len(self.requests)]

    def answered(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.latencies.append(seconds)

    def left(self, error: object) -> None:
        self.n_broken += bool(error)
        self.n_open -= 1
        if self.n_open == 0:
            self.done.set()


async def run(
    address: str, bodies: list[bytes], clients: int, n: int, seconds: float, pause_s: float
) -> dict[str, object]:
    """Return what the clients saw."""
    host, _, port = address.partition(":")
    head = "POST /v1/embeddings HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n"
    prefix = head.format(address).encode()
    requests = [prefix + b"Content-Length: %d\r\n\r\n%b" % (len(b), b) for b in bodies]
    load = Load(requests, n, seconds, clients, pause_s)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for _ in range(clients):
        await loop.create_connection(lambda: Client(load), host, int(port))
    await load.done.wait()
    taken = time.perf_counter() - started
    found = sorted(load.latencies)

    def quantile(share: float) -> float | None:
        return 1000 * found[min(len(found) - 1, int(share * len(found)))] if found else None

    return {
        "seconds": taken,
        "statuses": {str(status): n for status, n in sorted(load.statuses.items())},
        "broken_connections": load.n_broken,
        "answered_per_s": len(found) / taken,
        "offered_per_s": sum(load.statuses.values()) / taken,
        "p50_ms": quantile(0.5),
        "p95_ms": quantile(0.95),
        "p99_ms": quantile(0.99),
        "max_ms": quantile(1.0),
    }


def main() -> None:
    """Run the clients and print what they saw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("address", help="HOST:PORT")
    parser.add_argument("bodies", type=Path, help="JSON list of request bodies")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--pause", type=float, default=0.0, help="Seconds to wait after a 429")
    asked = parser.parse_args()
    bodies = [json.dumps(body).encode() for body in json.loads(asked.bodies.read_text("utf-8"))]
    found = asyncio.run(
        run(asked.address, bodies, asked.clients, asked.requests, asked.seconds, asked.pause)
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
