"""LanceDB: one table, in the columns that LlamaIndex and LangChain write themselves.

    id, doc_id, vector, text    what both look for
    metadata                    a struct: title, path, page, …; LlamaIndex's node is in it too
    digest                      what tells a changed passage

The facts about the vectors are in the metadata of the table's schema. A search scans every vector
unless the location asks for `?index=hnsw`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from homing.deployment.indexes.base import FACTS, Facts, Hit, read_facts
from homing.deployment.indexes.folders import FolderHold
from homing.deployment.indexes.locations import Location
from homing.deployment.indexes.records import Record, known_of
from homing.errors import StoreError
from homing.types import FloatArray

INDEXED_FROM = 5000
"""Fewer vectors are scanned faster than an index is asked."""
EF, REFINE = 128, 5
"""Candidates of a search in the HNSW index, and how many times k of them are compared once more by
whole vectors: recall@10 .969 instead of .521 for 200,000 vectors (benchmarks/indexing.py)."""
MANY_FRAGMENTS = 100
ROWS = 8192
TEXTS = ("title", "path", "document_id", "_node_content", "_node_type", "doc_id", "ref_doc_id")
NUMBERS = ("page", "start", "end")


class LanceStore:
    """A `Store` over a table of LanceDB."""

    batch_size = ROWS

    def __init__(self, location: Location, *, write: bool) -> None:
        """Connect, and hold the folder while it is changed."""
        os.environ.setdefault("LANCE_LOG", "error")
        import lancedb

        self.location = location
        self.is_exact = location.options["index"] == "none"
        self._hold = FolderHold(location.folder, write=write)
        folder = location.folder
        with self._errors():
            self._db = lancedb.connect(location.target if folder is None else folder)
        self._table: Any = None

    def facts(self) -> Facts | None:
        """Return what the table says about its vectors, None where there is none."""
        with self._errors():
            if not self._exists():
                return None
            self._table = self._db.open_table(self.location.name)
            kept = (self._table.schema.metadata or {}).get(FACTS.encode())
        return read_facts(kept, f"The table {self.location.name!r} of {self.location}")

    def create(self, facts: Facts) -> None:
        """Make an empty table."""
        schema = _schema(facts.dimensions).with_metadata({FACTS: facts.dumps()})
        with self._errors():
            self._table = self._db.create_table(self.location.name, schema=schema)

    def drop(self) -> None:
        """Remove the table."""
        with self._errors():
            self._db.drop_table(self.location.name)
        self._table = None

    def entries(self) -> Iterator[list[tuple[str, str]]]:
        """Yield (id, digest) of every stored passage, in batches."""
        for batch in self._batches("id", "digest"):
            ids, digests = batch["id"].to_pylist(), batch["digest"].to_pylist()
            yield [(str(i), d or "") for i, d in zip(ids, digests, strict=True)]

    def vectors(self) -> Iterator[tuple[list[str], FloatArray]]:
        """Yield ids with their stored vectors, in batches."""
        for batch in self._batches("id", "vector"):
            flat = batch["vector"].flatten().to_numpy(zero_copy_only=False)
            yield batch["id"].to_pylist(), flat.reshape(batch.num_rows, -1)

    def begin(self, n_writes: int) -> None:
        """Do nothing: a table takes any number."""

    def upsert(
        self, records: Sequence[Record], vectors: FloatArray, known: Collection[str]
    ) -> None:
        """Add what is new in one commit, and replace what is known in another."""
        new = [row for row, record in enumerate(records) if record.id not in known]
        old = [row for row, record in enumerate(records) if record.id in known]
        with self._errors():
            if new:
                self._table.add(_rows([records[row] for row in new], vectors[new]))
            if old:
                changed = _rows([records[row] for row in old], vectors[old])
                self._table.merge_insert("id").when_matched_update_all().execute(changed)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove passages."""
        quoted = ", ".join("'" + passage_id.replace("'", "''") + "'" for passage_id in ids)
        with self._errors():
            self._table.delete(f"id IN ({quoted})")

    def finish(self) -> None:
        """Join many small files into few; bring an index, where one is asked for, up to date."""
        with self._errors():
            if not self.is_exact and self.count() >= INDEXED_FROM:
                self._index()
            if self._table.stats()["fragment_stats"]["num_fragments"] > MANY_FRAGMENTS:
                self._table.optimize(cleanup_older_than=timedelta(days=1))
            self.is_exact = not self._vector_indices()

    def _index(self) -> None:
        if self._vector_indices():
            self._table.optimize(cleanup_older_than=timedelta(days=1))
        else:
            self._table.create_index(
                metric="cosine", vector_column_name="vector", index_type="IVF_HNSW_SQ"
            )

    def _vector_indices(self) -> list[Any]:
        return [index for index in self._table.list_indices() if "vector" in index.columns]

    def count(self) -> int:
        """Return how many passages are stored."""
        with self._errors():
            return int(self._table.count_rows())

    def search(self, queries: FloatArray, k: int) -> list[list[Hit]]:
        """Return the `k` best passages for each query, best first."""
        found = []
        with self._errors():
            for query in queries:
                wanted = self._table.search(query, vector_column_name="vector")
                # Without an index both change nothing; LanceDB's own are 1.5 k and no refining.
                wanted = wanted.distance_type("cosine").limit(k).ef(max(EF, 2 * k))
                wanted = wanted.refine_factor(REFINE)
                columns = ["id", "text", "metadata", "_distance"]
                found.append([_hit(row) for row in wanted.select(columns).to_list()])
        return found

    def close(self) -> None:
        """Let the folder go."""
        self._table = None
        self._hold.release()

    def _exists(self) -> bool:
        return self.location.name in _all_names(self._db)

    def _batches(self, *columns: str) -> Iterator[Any]:
        with self._errors():
            yield from self._table.search().select(list(columns)).to_batches(ROWS)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the library's errors, which have no class of their own, into ours."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            raise StoreError.during(str(self.location), error) from error


def _all_names(db: Any) -> list[str]:
    names: list[str] = []
    while page := list(db.table_names(names[-1] if names else None, 1000)):
        names += page
    return names


def _schema(dimensions: int) -> Any:
    import pyarrow as pa

    fields = [(name, pa.string()) for name in TEXTS] + [(name, pa.int64()) for name in NUMBERS]
    return pa.schema(
        [
            ("id", pa.string()),
            ("doc_id", pa.string()),
            ("vector", pa.list_(pa.float32(), dimensions)),
            ("text", pa.string()),
            ("metadata", pa.struct(fields)),
            ("digest", pa.string()),
        ]
    )


def _rows(records: Sequence[Record], vectors: FloatArray) -> Any:
    import pyarrow as pa

    schema = _schema(vectors.shape[1])
    flat = pa.array(vectors.ravel(), type=pa.float32())
    columns = [
        pa.array([r.id for r in records], type=pa.string()),
        pa.array([r.document_id for r in records], type=pa.string()),
        pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        pa.array([r.text for r in records], type=pa.string()),
        pa.array(
            [r.llamaindex_metadata(with_text=True) for r in records],
            type=schema.field("metadata").type,
        ),
        pa.array([r.digest for r in records], type=pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _hit(row: dict[str, Any]) -> Hit:
    return Hit(row["id"], 1.0 - row["_distance"], row["text"], known_of(row["metadata"] or {}))
