"""FAISS: an index file, and beside it in the same order what is known about each passage.

    _homing.json         whose vectors they are
    index.faiss          vectors, by inner product, which of unit vectors is the cosine
    passages.parquet     row i is the passage of vector i: id, text, title, …, digest
    parts/               passages that are not in the index yet, as a job is under way

`finish` joins old index and parts to new files under other names. From the moment that `JOINED`
is there they are the index, whatever happens, and the next to open the folder puts them in place.
Memory: FAISS holds all vectors to write or search them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from homing.dataset.tables import atomic
from homing.deployment.indexes.base import FACTS, Facts, Hit
from homing.deployment.indexes.locations import Location
from homing.deployment.indexes.part_store import FACTS_FILE, PartStore
from homing.deployment.indexes.parts import (
    NUMBERS,
    TEXTS,
    batches,
    n_rows,
    rows_at,
    vectors_of,
)
from homing.deployment.indexes.records import known_of
from homing.errors import StoreError, UsageError
from homing.types import FloatArray
from homing.workspace import disk_errors

INDEX, PASSAGES, PARTS = "index.faiss", "passages.parquet", "parts"
JOINED = ".joined"
NEW = ".new-"
COLUMNS = ("id", "text", *TEXTS, *NUMBERS, "digest")
NEIGHBOURS, EF_CONSTRUCTION, EF_SEARCH = 32, 100, 128


class FaissStore(PartStore):
    """A `Store` over an index file of FAISS and a table of passages."""

    parts_in = PARTS

    def __init__(self, location: Location, *, write: bool) -> None:
        """Hold the folder while it is changed; a join that was interrupted is completed."""
        super().__init__(location, write=write)
        self.is_exact = location.options["index"] == "flat"
        self._gone: set[str] = set()
        self._index: Any = None
        if write:
            with disk_errors(self._folder):
                self._put_in_place()
        elif (self._folder / PARTS).is_dir() or (self._folder / JOINED).exists():
            raise UsageError(
                f"{location} is not complete: a job that filled it was stopped. Run the same "
                "homing index again, which continues."
            )

    def drop(self) -> None:
        """Remove the files; the facts go last."""
        shutil.rmtree(self._folder / PARTS, ignore_errors=True)
        for name in (INDEX, PASSAGES, FACTS_FILE):
            (self._folder / name).unlink(missing_ok=True)

    def entries(self) -> Iterator[list[tuple[str, str]]]:
        """Yield (id, digest) of every stored passage, in batches."""
        newer = self._newer()
        for batch in self._rows("id", "digest"):
            pairs = zip(batch["id"].to_pylist(), batch["digest"].to_pylist(), strict=True)
            yield [pair for pair in pairs if pair[0] not in newer]
        for batch in self._parts.batches("id", "digest"):
            yield list(zip(batch["id"].to_pylist(), batch["digest"].to_pylist(), strict=True))

    def vectors(self) -> Iterator[tuple[list[str], FloatArray]]:
        """Yield ids with their stored vectors, in batches; after `finish`."""
        index, start = self._loaded(), 0
        for batch in self._rows("id"):
            yield batch["id"].to_pylist(), index.reconstruct_n(start, batch.num_rows)
            start += batch.num_rows

    def remove(self, ids: Sequence[str]) -> None:
        """Remove passages: from the parts at once, from the index as it is joined."""
        self._gone.update(ids)
        with disk_errors(self._folder):
            self._parts.remove(ids)

    def finish(self) -> None:
        """Join index and parts, if there is anything to join."""
        is_new = bool(self._parts.paths() or self._gone) or not (self._folder / INDEX).is_file()
        if not is_new and self._is_of_kind():
            return
        with disk_errors(self._folder):
            self._join()
            with atomic(self._folder / JOINED) as temporary:
                temporary.touch()
            self._put_in_place()
        self._gone.clear()

    def count(self) -> int:
        """Return how many passages are stored."""
        return sum(len(entries) for entries in self.entries())

    def search(self, queries: FloatArray, k: int) -> list[list[Hit]]:
        """Return the `k` best passages for each query, best first."""
        if len(queries) == 0:
            return []
        scores, places = self._loaded().search(np.ascontiguousarray(queries, dtype=np.float32), k)
        rows = rows_at(self._folder / PASSAGES, {int(p) for p in places.ravel() if p >= 0}, COLUMNS)
        found = [zip(*top, strict=True) for top in zip(scores, places, strict=True)]
        return [[_hit(rows[int(p)], float(score)) for score, p in top if p >= 0] for top in found]

    def close(self) -> None:
        """Let the folder and the vectors go."""
        self._index = None
        super().close()

    def _rows(self, *columns: str) -> Iterator[Any]:
        path = self._folder / PASSAGES
        if path.is_file():
            yield from batches(path, columns)

    def _newer(self) -> set[str]:
        """Return the ids that parts hold, or that are gone: the index has them no longer."""
        ids = (batch["id"].to_pylist() for batch in self._parts.batches("id"))
        return self._gone.union(*ids)

    def _loaded(self) -> Any:
        import faiss

        if self._index is None:
            try:
                self._index = faiss.read_index(str(self._folder / INDEX))
            except RuntimeError as error:
                raise StoreError.during(str(self.location), error) from error
            n = n_rows(self._folder / PASSAGES)
            if self._index.ntotal != n:
                raise StoreError(
                    f"{self._folder / INDEX} holds {self._index.ntotal:,} vectors and "
                    f"{PASSAGES} {n:,} passages. One of them was changed by something else: fill "
                    "the folder anew with --replace."
                )
        return self._index

    def _is_of_kind(self) -> bool:
        """Return whether the index is what the location asks for, exact or approximate."""
        import faiss

        return self.is_exact != isinstance(self._loaded(), faiss.IndexHNSW)

    def _join(self) -> None:
        """Write the new index and its passages under other names."""
        import faiss

        assert self._facts is not None
        index = _empty(self._facts.dimensions, is_flat=self.is_exact)
        with _Writer(self._folder / f"{NEW}{PASSAGES}", self._facts) as writer:
            for table, vectors in self._joined():
                index.add(np.ascontiguousarray(vectors))
                writer.write(table)
        self._index = None
        path = self._folder / f"{NEW}{INDEX}"
        with atomic(path) as temporary:
            faiss.write_index(index, str(temporary))

    def _joined(self) -> Iterator[tuple[Any, FloatArray]]:
        """Yield passages with their vectors: what stays of the index, then the parts."""
        newer, start = self._newer(), 0
        for batch in self._rows(*COLUMNS):
            stay = [row for row, i in enumerate(batch["id"].to_pylist()) if i not in newer]
            vectors = self._loaded().reconstruct_n(start, batch.num_rows)
            start += batch.num_rows
            if stay:
                yield batch.take(stay), vectors[stay]
        for batch in self._parts.batches(*COLUMNS, "vector"):
            yield batch.select(list(COLUMNS)), vectors_of(batch)

    def _put_in_place(self) -> None:
        """Let the joined files take the place of the old ones, if a join got that far."""
        if not (self._folder / JOINED).exists():
            return
        for name in (INDEX, PASSAGES):
            fresh = self._folder / f"{NEW}{name}"
            if fresh.exists():
                fresh.replace(self._folder / name)
        shutil.rmtree(self._folder / PARTS, ignore_errors=True)
        (self._folder / JOINED).unlink()


class _Writer:
    """Writes record batches to a Parquet file, which appears only when complete."""

    def __init__(self, path: Path, facts: Facts) -> None:
        self._whole = atomic(path)
        self._facts = facts
        self._writer: Any = None

    def __enter__(self) -> _Writer:
        self._temporary = self._whole.__enter__()
        return self

    def write(self, batch: Any) -> None:
        """Write a batch; the first one says which columns there are."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_batches([batch])
        if self._writer is None:
            schema = table.schema.with_metadata({FACTS: self._facts.dumps()})
            self._writer = pq.ParquetWriter(self._temporary, schema, compression="zstd")
        self._writer.write_table(table.replace_schema_metadata(self._writer.schema.metadata))

    def __exit__(self, *error: Any) -> None:
        if self._writer is not None:
            self._writer.close()
        self._whole.__exit__(*error)


def _empty(dimensions: int, *, is_flat: bool) -> Any:
    import faiss

    if is_flat:
        return faiss.IndexFlatIP(dimensions)
    index = faiss.IndexHNSWFlat(dimensions, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = EF_CONSTRUCTION, EF_SEARCH
    return index


def _hit(row: dict[str, Any], score: float) -> Hit:
    return Hit(row["id"], score, row["text"], known_of(row))
