"""Chroma in a folder: one collection, in the form in which LlamaIndex and LangChain read it.

Documents are the texts, ids the passages' own, and metadata hold title, path, page, …, the digest
and LlamaIndex's node without its text. The facts about the vectors are the collection's metadata.
Its search is approximate (HNSW), always.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from homing.deployment.indexes.base import FACTS, Facts, Hit, read_facts
from homing.deployment.indexes.folders import FolderHold
from homing.deployment.indexes.locations import Location
from homing.deployment.indexes.records import Record, known_of
from homing.errors import StoreError
from homing.types import FloatArray

ROWS = 2048


class ChromaStore:
    """A `Store` over a collection of Chroma."""

    batch_size = ROWS
    is_exact = False

    def __init__(self, location: Location, *, write: bool) -> None:
        """Open the folder, and hold it while it is changed."""
        import chromadb

        self.location = location
        self._hold = FolderHold(location.folder, write=write)
        with self._errors():
            self._client = chromadb.PersistentClient(
                path=str(location.folder), settings=chromadb.Settings(anonymized_telemetry=False)
            )
        self._collection: Any = None

    def facts(self) -> Facts | None:
        """Return what the collection says about its vectors, None where there is none."""
        from chromadb.errors import NotFoundError

        with self._errors():
            try:
                self._collection = self._client.get_collection(
                    self.location.name, embedding_function=None
                )
            except NotFoundError:
                return None
            kept = (self._collection.metadata or {}).get(FACTS)
        return read_facts(kept, f"The collection {self.location.name!r} of {self.location}")

    def create(self, facts: Facts) -> None:
        """Make an empty collection."""
        with self._errors():
            self._collection = self._client.create_collection(
                self.location.name,
                configuration={"hnsw": {"space": "cosine"}},
                metadata={FACTS: facts.dumps()},
                embedding_function=None,
            )

    def drop(self) -> None:
        """Remove the collection."""
        with self._errors():
            self._client.delete_collection(self.location.name)

    def entries(self) -> Iterator[list[tuple[str, str]]]:
        """Yield (id, digest) of every stored passage, in batches."""
        for part in self._parts("metadatas"):
            said = [metadata or {} for metadata in part["metadatas"]]
            yield [(i, str(m.get("digest", ""))) for i, m in zip(part["ids"], said, strict=True)]

    def vectors(self) -> Iterator[tuple[list[str], FloatArray]]:
        """Yield ids with their stored vectors, in batches."""
        for part in self._parts("embeddings"):
            yield part["ids"], np.asarray(part["embeddings"], dtype=np.float32)

    def begin(self, n_writes: int) -> None:
        """Do nothing: a collection takes any number."""

    def upsert(
        self, records: Sequence[Record], vectors: FloatArray, known: Collection[str]
    ) -> None:
        """Write passages; those that are known are replaced by their ids."""
        with self._errors():
            n = min(self._client.get_max_batch_size(), len(records))
            for start in range(0, len(records), n):
                part = records[start : start + n]
                self._collection.upsert(
                    ids=[record.id for record in part],
                    embeddings=vectors[start : start + n],
                    documents=[record.text for record in part],
                    metadatas=[_metadata(record) for record in part],
                )

    def remove(self, ids: Sequence[str]) -> None:
        """Remove passages."""
        with self._errors():
            self._collection.delete(ids=list(ids))

    def finish(self) -> None:
        """Do nothing: the index grows with what is written."""

    def count(self) -> int:
        """Return how many passages are stored."""
        with self._errors():
            return int(self._collection.count())

    def search(self, queries: FloatArray, k: int) -> list[list[Hit]]:
        """Return the `k` best passages for each query, best first."""
        if len(queries) == 0:
            return []
        with self._errors():
            found = self._collection.query(
                query_embeddings=queries,
                n_results=min(k, self._collection.count()),
                include=["documents", "metadatas", "distances"],
            )
        columns = [found[name] for name in ("ids", "distances", "documents", "metadatas")]
        return [
            [_hit(*row) for row in zip(*answer, strict=True)]
            for answer in zip(*columns, strict=True)
        ]

    def close(self) -> None:
        """Let the folder go."""
        self._collection = None
        self._client.close()
        self._hold.release()

    def _parts(self, *include: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            with self._errors():
                part = self._collection.get(limit=ROWS, offset=offset, include=list(include))
            if not part["ids"]:
                return
            yield part
            offset += len(part["ids"])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from chromadb.errors import ChromaError

        try:
            yield
        except (ChromaError, RuntimeError, ValueError, OSError) as error:
            raise StoreError.during(str(self.location), error) from error


def _metadata(record: Record) -> dict[str, Any]:
    return {**record.llamaindex_metadata(with_text=False), "digest": record.digest}


def _hit(passage_id: str, distance: float, text: str | None, metadata: Any) -> Hit:
    return Hit(passage_id, 1.0 - float(distance), text or "", known_of(metadata or {}))
