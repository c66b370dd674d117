"""Vectors, ids, texts and metadata in Parquet files, for whatever reads Parquet.

    _homing.json            whose vectors they are
    part-000000.parquet     id, text, title, document_id, path, page, start, end, digest, vector

A search reads every file and compares with every vector.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from homing.dataset.tables import atomic
from homing.deployment.indexes.base import Facts, Hit, read_facts
from homing.deployment.indexes.folders import FolderHold
from homing.deployment.indexes.locations import Location
from homing.deployment.indexes.parts import (
    NUMBERS,
    ROWS,
    TEXTS,
    Parts,
    batches,
    rows_at,
    vectors_of,
)
from homing.deployment.indexes.records import Record, known_of
from homing.errors import UsageError
from homing.retrieval.nearest import nearest
from homing.types import FloatArray
from homing.workspace import disk_errors

FACTS_FILE = "_homing.json"


class ParquetStore:
    """A `Store` over a folder of Parquet files."""

    batch_size = ROWS
    is_exact = True

    def __init__(self, location: Location, *, write: bool) -> None:
        """Hold the folder while it is changed."""
        self.location = location
        self._folder = local_folder(location)
        self._hold = FolderHold(self._folder, write=write)
        self._parts = Parts(self._folder)
        self._facts: Facts | None = None

    def facts(self) -> Facts | None:
        """Return what the folder says about its vectors, None where it is empty."""
        self._facts = folder_facts(self._folder)
        return self._facts

    def create(self, facts: Facts) -> None:
        """Write whose vectors these will be."""
        with disk_errors(self._folder):
            write_facts(self._folder, facts)
        self._facts = facts

    def drop(self) -> None:
        """Remove the files; the facts go last."""
        self._parts.clear()
        (self._folder / FACTS_FILE).unlink(missing_ok=True)

    def entries(self) -> Iterator[list[tuple[str, str]]]:
        """Yield (id, digest) of every stored passage, in batches."""
        for batch in self._parts.batches("id", "digest"):
            columns = batch["id"].to_pylist(), batch["digest"].to_pylist()
            yield list(zip(*columns, strict=True))

    def vectors(self) -> Iterator[tuple[list[str], FloatArray]]:
        """Yield ids with their stored vectors, in batches."""
        for batch in self._parts.batches("id", "vector"):
            yield batch["id"].to_pylist(), vectors_of(batch)

    def begin(self, n_writes: int) -> None:
        """Do nothing: a folder takes any number."""

    def upsert(
        self, records: Sequence[Record], vectors: FloatArray, known: Collection[str]
    ) -> None:
        """Write a file; what is known goes from the others first, so that no id is there twice."""
        assert self._facts is not None
        with disk_errors(self._folder):
            if known:
                self._parts.remove(known)
            self._parts.add(records, vectors, self._facts)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove passages."""
        with disk_errors(self._folder):
            self._parts.remove(ids)

    def finish(self) -> None:
        """Do nothing: each file is whole."""

    def count(self) -> int:
        """Return how many passages are stored."""
        return self._parts.count()

    def search(self, queries: FloatArray, k: int) -> list[list[Hit]]:
        """Return the `k` best passages for each query, best first."""
        best: list[list[tuple[float, Path, int]]] = [[] for _ in queries]
        for path in self._parts.paths() if len(queries) else ():
            start = 0
            for batch in batches(path, ["vector"]):
                positions, scores = nearest(queries, vectors_of(batch), min(k, batch.num_rows))
                for row, top in enumerate(best):
                    places = (start + int(at) for at in positions[row])
                    new = zip(scores[row], places, strict=True)
                    top += [(float(score), path, place) for score, place in new]
                    best[row] = sorted(top, key=lambda hit: -hit[0])[:k]
                start += batch.num_rows
        return _with_texts(best)

    def close(self) -> None:
        """Let the folder go."""
        self._hold.release()


def local_folder(location: Location) -> Path:
    """Return the folder of a location, which must be on this machine.

    Raises:
        UsageError: It is a bucket.
    """
    if location.folder is None:
        raise UsageError(f"{location} is no folder on this machine, which {location.kind} needs.")
    return location.folder


def folder_facts(folder: Path) -> Facts | None:
    """Return what a folder says about the vectors in it, None where it holds nothing.

    Raises:
        UsageError: It holds something that is not ours.
    """
    file = folder / FACTS_FILE
    if file.is_file():
        return read_facts(file.read_text(encoding="utf-8"), str(folder))
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if not names:
        return None
    return read_facts(None, str(folder))


def write_facts(folder: Path, facts: Facts) -> None:
    """Write whose vectors a folder holds."""
    with atomic(folder / FACTS_FILE) as temporary:
        temporary.write_text(facts.dumps() + "\n", encoding="utf-8")


def _with_texts(best: Sequence[Sequence[tuple[float, Path, int]]]) -> list[list[Hit]]:
    wanted: dict[Path, list[int]] = {}
    for top in best:
        for _, path, place in top:
            wanted.setdefault(path, []).append(place)
    columns = ["id", "text", *TEXTS, *NUMBERS]
    rows: dict[tuple[Path, int], dict[str, Any]] = {
        (path, place): row
        for path, places in wanted.items()
        for place, row in rows_at(path, places, columns).items()
    }
    return [
        [
            Hit(row["id"], score, row["text"], known_of(row))
            for score, path, place in top
            if (row := rows[path, place])
        ]
        for top in best
    ]
