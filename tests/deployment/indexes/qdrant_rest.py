"""Qdrant's REST interface as far as a store asks for it, over the library's embedded engine.

It stands in for the server, whose program is in no package; what is real is every request of the
client and the forms of the answers, which are the library's own models.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from qdrant_client import QdrantClient, models

ROUTE = re.compile(r"/collections/(?P<name>[^/?]+)(?P<rest>/[a-z/]+)?")


class Engine:
    """Answers requests; notes each as (method, path, the key that came with it)."""

    def __init__(self) -> None:
        self.client = QdrantClient(":memory:")
        self.asked: list[tuple[str, str, str | None]] = []

    def answer(self, method: str, path: str, body: Any) -> Any:
        """Return the `result` of a request."""
        match = ROUTE.match(path)
        assert match is not None, path
        name, rest, engine = match["name"], match["rest"] or "", self.client
        if (method, rest) == ("GET", "/exists"):
            return {"exists": engine.collection_exists(name)}
        if (method, rest) == ("GET", ""):
            return engine.get_collection(name)
        if (method, rest) == ("PUT", ""):
            wanted = models.CreateCollection(**body)
            return engine.create_collection(
                name, vectors_config=wanted.vectors, metadata=wanted.metadata
            )
        if (method, rest) == ("DELETE", ""):
            return engine.delete_collection(name)
        if (method, rest) == ("PUT", "/points"):
            return engine.upsert(name, models.PointsList(**body).points)
        if rest == "/points/delete":
            return engine.delete(name, models.PointIdsList(**body))
        if rest == "/points/count":
            return engine.count(name)
        if rest == "/points/scroll":
            asked = models.ScrollRequest(**body)
            points, offset = engine.scroll(
                name,
                limit=asked.limit,
                offset=asked.offset,
                with_payload=asked.with_payload,
                with_vectors=asked.with_vector,
            )
            return {"points": points, "next_page_offset": offset}
        assert rest == "/points/query/batch", (method, path)
        return engine.query_batch_points(name, models.QueryRequestBatch(**body).searches)


@contextmanager
def rest_server() -> Iterator[tuple[str, Engine]]:
    """Give the address of a server on 127.0.0.1 and what answers behind it."""
    engine = Engine()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            engine.asked.append((self.command, self.path, self.headers.get("api-key")))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/":
                said: Any = {"title": "qdrant", "version": "1.20.0"}
            else:
                result = engine.answer(self.command, self.path, json.loads(body or "null"))
                said = {"result": plain(result), "status": "ok", "time": 0.0}
            text = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", engine
        finally:
            server.shutdown()
            thread.join()


def plain(value: Any) -> Any:
    """Return a result as JSON has it."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value
