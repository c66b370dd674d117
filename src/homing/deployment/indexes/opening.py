"""A location to its store; the library of a store is imported when one is opened."""

from __future__ import annotations

import importlib
import importlib.util
from typing import cast

from homing.deployment.indexes.base import Store
from homing.deployment.indexes.locations import Location
from homing.errors import MissingDependencyError, UsageError

STORES = {
    "lancedb": ("LanceStore", "lancedb", "lancedb"),
    "qdrant": ("QdrantStore", "qdrant_client", "qdrant-client"),
    "chroma": ("ChromaStore", "chromadb", "chromadb"),
    "pgvector": ("PgvectorStore", "psycopg", "psycopg"),
    "faiss": ("FaissStore", "faiss", "faiss-cpu"),
    "parquet": ("ParquetStore", "pyarrow", "pyarrow"),
}
"""Kind -> its class, the module that it needs, and how that is called where it is installed."""


def open_store(location: Location, *, write: bool) -> Store:
    """Return the store at a location.

    Args:
        write: Whether it is to be changed: it is made where there is none, and nobody else may
            change it meanwhile.

    Raises:
        MissingDependencyError: Without the extra of its library.
        UsageError: There is none, and it is not to be made.
        StoreError: It cannot be reached or read.
        WorkspaceBusyError: Another job is changing it.
    """
    name, module, library = STORES[location.kind]
    if importlib.util.find_spec(module) is None:
        raise MissingDependencyError.for_extra(library, location.kind)
    folder = location.folder
    if folder is not None and folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file. Name a folder for {location.kind}.")
    if folder is not None and not write and not folder.is_dir():
        raise UsageError(
            f"There is no index at {location}. Make it with: homing index WORKSPACE --to {location}"
        )
    home = importlib.import_module(f"homing.deployment.indexes.{location.kind}")
    return cast(Store, getattr(home, name)(location, write=write))
