"""The Protocol of a store of vectors, and what a store says about the vectors in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from homing.deployment.indexes.records import Record
from homing.errors import UsageError
from homing.types import FloatArray

FORMAT = 1
METRIC = "cosine"
FACTS = "homing"
"""The name under which a store keeps its facts."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a store says about its vectors, so that those of two models never meet.

    Attributes:
        passage_key: Of the encoder that made them; equal keys give equal vectors.
        model: Its name, for people.
    """

    passage_key: str
    model: str
    dimensions: int
    metric: str = METRIC
    format: int = FORMAT

    def dumps(self) -> str:
        """Return the facts as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def read_facts(text: str | bytes | None, where: str) -> Facts:
    """Return the facts that a store keeps as `Facts.dumps` wrote them.

    Args:
        where: Names the store to people.

    Raises:
        UsageError: There are none: the store is not ours to change.
    """
    try:
        said = json.loads(text or "")
        return Facts(**{name: said[name] for name in Facts.__slots__})
    except (ValueError, TypeError, KeyError):
        raise UsageError(
            f"{where} holds something that Homing did not write, and it was left alone. "
            "Choose another table, collection or folder."
        ) from None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a store found; `score` is its cosine similarity."""

    id: str
    score: float
    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Store(Protocol):
    """One index: vectors of one model with ids, texts and metadata.

    Attributes:
        batch_size: Passages that it likes to take at a time.
        is_exact: Whether a search compares with every vector.
    """

    batch_size: int
    is_exact: bool

    def facts(self) -> Facts | None:
        """Return what it says about its vectors, None where there is no index yet.

        Raises:
            UsageError: There is something there that is not ours.
        """
        ...

    def create(self, facts: Facts) -> None:
        """Make an empty index."""
        ...

    def drop(self) -> None:
        """Remove the index with all that is in it."""
        ...

    def entries(self) -> Iterator[list[tuple[str, str]]]:
        """Yield (id, digest) of every stored passage, in batches."""
        ...

    def vectors(self) -> Iterator[tuple[list[str], FloatArray]]:
        """Yield ids with their stored vectors, in batches."""
        ...

    def begin(self, n_writes: int) -> None:
        """Prepare for so many passages to be written."""
        ...

    def upsert(
        self, records: Sequence[Record], vectors: FloatArray, known: Collection[str]
    ) -> None:
        """Write passages; those whose ids are `known` to be stored take the place of the old.

        Args:
            records: No id twice.
            vectors: Unit vectors, float32 (n, dimensions), as `records`.
        """
        ...

    def remove(self, ids: Sequence[str]) -> None:
        """Remove passages; an id that is stored twice goes twice."""
        ...

    def finish(self) -> None:
        """Make what is written fast to search, such as the index of an approximate store."""
        ...

    def count(self) -> int:
        """Return how many passages are stored."""
        ...

    def search(self, queries: FloatArray, k: int) -> list[list[Hit]]:
        """Return the `k` best passages for each query, best first."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
