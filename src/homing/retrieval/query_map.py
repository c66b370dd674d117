"""A map of question vectors: a matrix or two layers, beside passages that keep their vectors.

On disk it is a folder with `adapter.npz`, arrays that NumPy reads, and `adapter.json`, which says
whose vectors they are for. A unit vector q becomes, before it is made one long again,

* "linear": matrix @ q;
* "low-rank": matrix @ q, where matrix = I + outer @ inner, and both factors are there as well;
* "two-layer": q + outer @ max(inner @ q + bias, 0).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from homing.dataset.tables import atomic
from homing.errors import ModelNotFoundError
from homing.types import FloatArray
from homing.vectors import normalised

MapKind = Literal["linear", "low-rank", "two-layer"]
ARRAYS, FACTS = "adapter.npz", "adapter.json"
SHAPES: Mapping[str, Mapping[str, str]] = {
    "linear": {"matrix": "dd"},
    "low-rank": {"matrix": "dd", "outer": "dr", "inner": "rd"},
    "two-layer": {"outer": "dr", "inner": "rd", "bias": "r"},
}
"""Kind -> array -> its shape: d for the length of a vector, r for the rank."""


@dataclass(frozen=True, slots=True)
class QueryMap:
    """What becomes of a question's vector.

    Attributes:
        kind: Its form, as in the module's docstring.
        arrays: Float32, by the names and shapes of `SHAPES`.
    """

    kind: MapKind
    arrays: Mapping[str, FloatArray]

    @property
    def dimensions(self) -> int:
        """Length of the vectors that it takes and gives."""
        return len(self.arrays["outer" if self.kind == "two-layer" else "matrix"])

    @property
    def rank(self) -> int | None:
        """Rows of the inner factor; None for a linear map."""
        return None if self.kind == "linear" else len(self.arrays["inner"])

    def apply(self, vectors: FloatArray) -> FloatArray:
        """Return the mapped unit vectors, float32 (n, dimensions).

        Args:
            vectors: Unit vectors of questions, (n, dimensions).
        """
        if self.kind != "two-layer":
            return normalised(vectors @ self.arrays["matrix"].T)
        hidden = np.maximum(vectors @ self.arrays["inner"].T + self.arrays["bias"], 0)
        return normalised(vectors + hidden @ self.arrays["outer"].T)


@dataclass(frozen=True, slots=True)
class Adapter:
    """A map with the name of the model for whose vectors it was made."""

    map: QueryMap
    base_model: str


def identity(dimensions: int) -> QueryMap:
    """Return the map that changes nothing."""
    return QueryMap("linear", {"matrix": np.eye(dimensions, dtype=np.float32)})


def is_adapter(folder: Path) -> bool:
    """Return whether a folder says that it holds a map of question vectors."""
    return (folder / FACTS).is_file()


def save_adapter(adapter: Adapter, folder: Path) -> None:
    """Write both files of an adapter into a folder, the arrays first; equal maps, equal bytes."""
    query_map = adapter.map
    with atomic(folder / ARRAYS) as temporary, temporary.open("wb") as file:
        arrays = {name: query_map.arrays[name] for name in SHAPES[query_map.kind]}
        np.savez(file, **arrays)  # type: ignore[arg-type]
    facts = {
        "base_model": adapter.base_model,
        "kind": query_map.kind,
        "dimensions": query_map.dimensions,
        "rank": query_map.rank,
    }
    with atomic(folder / FACTS) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def load_adapter(folder: Path) -> Adapter:
    """Return the adapter that lies in a folder.

    Raises:
        ModelNotFoundError: If there is none, or its files do not fit together.
    """
    if not is_adapter(folder):
        raise ModelNotFoundError(
            f"There is no adapter in {folder}: it has no {FACTS}. Make one with: homing train "
            f"DATASET --recipe adapter --out {folder}"
        )
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        kind, base_model = facts["kind"], str(facts["base_model"])
        if kind not in get_args(MapKind):
            raise ValueError(f"{kind!r} is no kind of map")
        with np.load(folder / ARRAYS, allow_pickle=False) as saved:
            arrays = {name: np.asarray(saved[name], dtype=np.float32) for name in SHAPES[kind]}
        _check_shapes(kind, arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ModelNotFoundError(
            f"The adapter in {folder} cannot be read: {error}. Make it again, or copy {ARRAYS} "
            f"and {FACTS} anew from where they came from."
        ) from error
    return Adapter(QueryMap(kind, arrays), base_model)


def _check_shapes(kind: str, arrays: Mapping[str, FloatArray]) -> None:
    """Raise `ValueError` unless all arrays agree about d and r."""
    lengths: dict[str, int] = {}
    for name, letters in SHAPES[kind].items():
        shape = arrays[name].shape
        fits = len(shape) == len(letters) and all(
            lengths.setdefault(letter, n) == n for letter, n in zip(letters, shape, strict=True)
        )
        if not fits:
            raise ValueError(f"{name} has the shape {shape}, which does not fit the others")
