"""Vectors, ids, texts and metadata in Parquet files, for whatever reads Parquet.

    _homing.json            whose vectors they are
    part-000000.parquet     id, text, title, document_id, path, page, start, end, digest, vector

A search reads every file and compares with every vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from homing.deployment.indexes.base import Hit
from homing.deployment.indexes.part_store import FACTS_FILE, PartStore
from homing.deployment.indexes.parts import (
    NUMBERS,
    TEXTS,
    batches,
    rows_at,
    vectors_of,
)
from homing.deployment.indexes.records import known_of
from homing.retrieval.nearest import nearest
from homing.types import FloatArray
from homing.workspace import disk_errors


class ParquetStore(PartStore):
    """A `Store` over a folder of Parquet files."""

    is_exact = True

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
