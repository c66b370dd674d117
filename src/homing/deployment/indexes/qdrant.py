"""Qdrant, embedded or behind a server: one collection that LangChain and LlamaIndex read.

    page_content, metadata      LangChain's
    title, path, page, …        what LlamaIndex filters by, with its node in _node_content
    passage_id, digest          ours: the id of a point is a UUID made of the passage's

The facts about the vectors are the collection's metadata, which servers know from 1.16 on. The
embedded store compares with every vector and holds all of them in memory: it is meant for some ten
thousand. A server's key is read from QDRANT_API_KEY.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from homing.deployment.indexes.base import FACTS, Facts, Hit, read_facts
from homing.deployment.indexes.locations import Location
from homing.deployment.indexes.records import Record, known_of
from homing.errors import StoreError, WorkspaceBusyError
from homing.types import FloatArray

API_KEY = "QDRANT_API_KEY"
POINTS = 1024
QUERIES = 16
NAMES = uuid.UUID("2c0b6f0e-6f0c-5d43-9a53-7d0f6b9d4c11")
"""The namespace in which passage ids become UUIDs."""
TIMEOUT_S = 60
INDEXED_WITHIN_S = 600
"""How long a server is waited for that builds its index."""


class QdrantStore:
    """A `Store` over a collection of Qdrant."""

    batch_size = POINTS

    def __init__(self, location: Location, *, write: bool) -> None:
        """Connect; an embedded store is held, by readers too."""
        from qdrant_client import QdrantClient

        self.location = location
        self.is_exact = not location.is_server
        with self._errors():
            if location.is_server:
                self._client = QdrantClient(
                    url=location.target, api_key=os.environ.get(API_KEY), timeout=TIMEOUT_S
                )
            else:
                self._client = QdrantClient(path=str(location.folder))

    def facts(self) -> Facts | None:
        """Return what the collection says about its vectors, None where there is none."""
        with self._errors():
            if not self._client.collection_exists(self.location.name):
                return None
            kept = self._client.get_collection(self.location.name).config.metadata or {}
        where = f"The collection {self.location.name!r} of {self.location}"
        return read_facts(json.dumps(kept.get(FACTS)), where)

    def create(self, facts: Facts) -> None:
        """Make an empty collection."""
        from qdrant_client import models

        size, cosine = facts.dimensions, models.Distance.COSINE
        with self._errors():
            self._client.create_collection(
                self.location.name,
                vectors_config=models.VectorParams(size=size, distance=cosine),
                metadata={FACTS: json.loads(facts.dumps())},
            )

    def drop(self) -> None:
        """Remove the collection."""
        with self._errors():
            self._client.delete_collection(self.location.name)

    def entries(self) -> Iterator[list[tuple[str, str]]]:
        """Yield (id, digest) of every stored passage, in batches."""
        for points in self._scroll(["passage_id", "digest"], with_vectors=False):
            said = [point.payload or {} for point in points]
            yield [
                (p.get("passage_id", str(point.id)), p.get("digest", ""))
                for p, point in zip(said, points, strict=True)
            ]

    def vectors(self) -> Iterator[tuple[list[str], FloatArray]]:
        """Yield ids with their stored vectors, in batches."""
        for points in self._scroll(["passage_id"], with_vectors=True):
            ids = [(p.payload or {}).get("passage_id", str(p.id)) for p in points]
            yield ids, np.array([point.vector for point in points], dtype=np.float32)

    def begin(self, n_writes: int) -> None:
        """Do nothing: a collection takes any number."""

    def upsert(
        self, records: Sequence[Record], vectors: FloatArray, known: Collection[str]
    ) -> None:
        """Write points; those that are known are replaced by their ids."""
        from qdrant_client import models

        points = [
            models.PointStruct(id=_point_id(r.id), vector=vector.tolist(), payload=_payload(r))
            for r, vector in zip(records, vectors, strict=True)
        ]
        with self._errors():
            for start in range(0, len(points), POINTS):
                part = points[start : start + POINTS]
                self._client.upsert(self.location.name, points=part, wait=True)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove points; one that is not ours is known by its own id."""
        from qdrant_client import models

        points = [*map(_point_id, ids), *(i for i in ids if _is_point_id(i))]
        with self._errors():
            self._client.delete(
                self.location.name, points_selector=models.PointIdsList(points=points), wait=True
            )

    def finish(self) -> None:
        """Wait until a server has built its index."""
        deadline = time.monotonic() + INDEXED_WITHIN_S
        with self._errors():
            while self.location.is_server and time.monotonic() < deadline:
                if self._client.get_collection(self.location.name).status == "green":
                    return
                time.sleep(1)

    def count(self) -> int:
        """Return how many passages are stored."""
        with self._errors():
            return int(self._client.count(self.location.name, exact=True).count)

    def search(self, queries: FloatArray, k: int) -> list[list[Hit]]:
        """Return the `k` best passages for each query, best first."""
        from qdrant_client import models

        asked = [models.QueryRequest(query=q.tolist(), limit=k, with_payload=True) for q in queries]
        found = []
        with self._errors():
            for start in range(0, len(asked), QUERIES):
                part = asked[start : start + QUERIES]
                found += self._client.query_batch_points(self.location.name, requests=part)
        return [[_hit(point) for point in answer.points] for answer in found]

    def close(self) -> None:
        """Let the folder or the connection go."""
        self._client.close()

    def _scroll(self, payload: list[str], *, with_vectors: bool) -> Iterator[list[Any]]:
        offset = None
        while True:
            with self._errors():
                points, offset = self._client.scroll(
                    self.location.name,
                    limit=POINTS,
                    offset=offset,
                    with_payload=payload,
                    with_vectors=with_vectors,
                )
            if points:
                yield points
            if offset is None:
                return

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from qdrant_client.http.exceptions import ApiException

        try:
            yield
        except (ApiException, RuntimeError, ValueError, OSError) as error:
            if "already accessed by another instance" in str(error):
                raise WorkspaceBusyError(
                    f"Another process has {self.location} open, and Qdrant's embedded store serves "
                    "one at a time. Close it, or run Qdrant's server."
                ) from error
            raise StoreError.during(str(self.location), error) from error


def _point_id(passage_id: str) -> str:
    return str(uuid.uuid5(NAMES, passage_id))


def _is_point_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _payload(record: Record) -> dict[str, Any]:
    return {
        **record.llamaindex_metadata(with_text=True),
        "page_content": record.text,
        "metadata": {**record.metadata(), "passage_id": record.id},
        "passage_id": record.id,
        "digest": record.digest,
    }


def _hit(point: Any) -> Hit:
    said = point.payload or {}
    passage_id = said.get("passage_id", str(point.id))
    return Hit(passage_id, point.score, said.get("page_content", ""), known_of(said))
