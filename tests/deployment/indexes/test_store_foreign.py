"""What is there already and is not ours is left alone; what is damaged is told."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hashed import HashEncoder, passage

from homing.deployment.indexes.indexing import facts_of, fill, prepare
from homing.deployment.indexes.locations import parse_location
from homing.deployment.indexes.opening import open_store
from homing.errors import NothingToDoError, StoreError, UsageError

RULES = [passage(number) for number in range(20)]


def make_foreign(kind: str, folder: Path) -> None:
    """Put something of somebody else's where ours would go."""
    if kind == "lancedb":
        import lancedb

        lancedb.connect(folder).create_table("vectors", [{"id": "theirs", "vector": [0.0, 1.0]}])
    elif kind == "qdrant":
        from qdrant_client import QdrantClient, models

        client = QdrantClient(path=str(folder))
        size = models.VectorParams(size=2, distance=models.Distance.DOT)
        client.create_collection("homing", vectors_config=size)
        client.close()
    elif kind == "chroma":
        import chromadb

        client = chromadb.PersistentClient(str(folder))
        client.create_collection("homing", embedding_function=None)
        client.close()
    else:
        folder.mkdir()
        (folder / "thesis.txt").write_text("Chapter 1")


@pytest.mark.parametrize("kind", ["lancedb", "qdrant", "chroma", "faiss", "parquet"])
def test_what_somebody_else_put_there_is_left_alone(kind: str, place) -> None:
    location = place(kind)
    make_foreign(kind, Path(parse_location(location).target))
    for replace in (False, True):
        with (
            closing(open_store(parse_location(location), write=True)) as store,
            pytest.raises(UsageError, match=r"did not write.*left alone"),
        ):
            prepare(store, facts_of(HashEncoder(), "m"), location, replace=replace)


def test_an_empty_corpus_is_nothing_to_do(location: str) -> None:
    encoder = HashEncoder()
    with closing(open_store(parse_location(location), write=True)) as store:
        prepare(store, facts_of(encoder, "m"), location)
        with pytest.raises(NothingToDoError):
            fill(store, lambda: iter(()), encoder)


@pytest.mark.parametrize("kind", ["faiss", "parquet"])
def test_a_damaged_file_is_named(kind: str, place) -> None:
    location, encoder = place(kind), HashEncoder()
    with closing(open_store(parse_location(location), write=True)) as store:
        prepare(store, facts_of(encoder, "m"), location)
        fill(store, lambda: iter(RULES), encoder)
    (file,) = Path(parse_location(location).target).glob("pa*.parquet")
    file.write_bytes(file.read_bytes()[:200])
    with closing(open_store(parse_location(location), write=True)) as store:
        prepare(store, facts_of(encoder, "m"), location)
        with pytest.raises(StoreError, match=file.name):
            fill(store, lambda: iter(RULES), encoder)


def test_faiss_is_not_asked_while_a_job_is_unfinished(place) -> None:
    location, encoder = place("faiss"), HashEncoder()
    with closing(open_store(parse_location(location), write=True)) as store:
        prepare(store, facts_of(encoder, "m"), location)
        store.upsert(RULES, encoder.encode_passages([r.embedded for r in RULES]), ())
    with pytest.raises(UsageError, match="not complete"):
        open_store(parse_location(location), write=False)


@pytest.mark.parametrize("first", ["flat", "hnsw"])
def test_faiss_makes_the_index_that_is_asked_for(place, first: str) -> None:
    import faiss

    encoder = HashEncoder()
    for kind in (first, "hnsw" if first == "flat" else "flat"):
        location = place("faiss", index=kind)
        with closing(open_store(parse_location(location), write=True)) as store:
            prepare(store, facts_of(encoder, "m"), location)
            fill(store, lambda: iter(RULES), encoder)
        folder = Path(parse_location(location).target)
        index = faiss.read_index(str(folder / "index.faiss"))
        assert isinstance(index, faiss.IndexHNSW) == (kind == "hnsw")
        assert index.ntotal == 20
