"""Sketches in files: those of a shard as its worker leaves them, and those of all shards as one.

What is gathered lies in files that are mapped into memory, so that of 0.8 kB a passage the system
holds as much as there is room for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.curation.digests import DTYPE
from homing.curation.shingles import ShingleSets
from homing.curation.sketching import N_BANDS, N_ROWS, Sketches, sketch_passages
from homing.dataset.records import passage_of
from homing.dataset.shards import Shard
from homing.retrieval.array_files import read_arrays, save_arrays
from homing.storage import join

SKETCHES = "sketches.npz"
LARGE: Mapping[str, tuple[type, tuple[int, ...]]] = {
    "shingles": (np.uint32, ()),
    "minhash": (np.uint32, (N_BANDS * N_ROWS,)),
    "bands": (np.uint64, (N_BANDS,)),
}
"""Name -> type, and shape of a row, of the arrays that are mapped."""


def sketch_shard(shard: Shard, folder: str) -> dict[str, Any]:
    """Return how many passages a shard has; save their sketches in the folder."""
    found = sketch_passages([passage_of(row) for row in shard.rows()])
    arrays = {
        "keys": found.keys,
        "long": found.long,
        "sizes": found.shingles.sizes(),
        "shingles": found.shingles.values,
        "minhash": found.minhash,
        "bands": found.bands,
    }
    save_arrays(join(folder, SKETCHES), arrays)
    return {"n_passages": len(found.keys)}


def gather_sketches(folders: Sequence[str], scratch: Path) -> Sketches:
    """Return the sketches of all shards as of one table.

    Args:
        folders: Where `sketch_shard` saved them, in order.
        scratch: A folder of this machine for what is mapped; it has to stay while they are used.
    """
    keys = [np.empty(0, dtype=DTYPE)]
    long = [np.empty(0, dtype=np.int64)]
    sizes = [np.zeros(1, dtype=np.int64)]
    n = 0
    scratch.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files = {name: stack.enter_context((scratch / name).open("wb")) for name in LARGE}
        for folder in folders:
            found = read_arrays(join(folder, SKETCHES))
            keys.append(found["keys"])
            long.append(found["long"] + n)
            sizes.append(found["sizes"])
            n += len(found["keys"])
            for name, file in files.items():
                found[name].tofile(file)
    mapped = {name: _map(scratch / name, *LARGE[name]) for name in LARGE}
    return Sketches(
        keys=np.concatenate(keys),
        long=np.concatenate(long),
        shingles=ShingleSets(mapped["shingles"], np.concatenate(sizes).cumsum()),
        minhash=mapped["minhash"],
        bands=mapped["bands"],
    )


def _map(path: Path, dtype: type, row: tuple[int, ...]) -> NDArray[Any]:
    n_bytes = path.stat().st_size
    if not n_bytes:
        return np.empty((0, *row), dtype=dtype)
    mapped: NDArray[Any] = np.memmap(path, dtype=dtype, mode="r").reshape(-1, *row)
    return mapped.view(np.ndarray)
