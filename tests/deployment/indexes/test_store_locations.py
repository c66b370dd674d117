"""Where an index lies, as people write it."""

from __future__ import annotations

import pytest

from homing.deployment.indexes.locations import parse_location, passwords_in, without_password
from homing.errors import UsageError


@pytest.mark.parametrize(
    ("text", "kind", "target", "name"),
    [
        ("lancedb:./db", "lancedb", "./db", "vectors"),
        ("lancedb:./db?table=handbook", "lancedb", "./db", "handbook"),
        ("lancedb:s3://bucket/db", "lancedb", "s3://bucket/db", "vectors"),
        ("qdrant:./db", "qdrant", "./db", "homing"),
        ("qdrant:http://localhost:6333", "qdrant", "http://localhost:6333", "homing"),
        ("https://host:6333?collection=hr1", "qdrant", "https://host:6333", "hr1"),
        ("chroma:~/db?collection=hr.1", "chroma", "~/db", "hr.1"),
        ("pgvector:postgresql://u@h/d", "pgvector", "postgresql://u@h/d", "data_homing"),
        ("postgresql://u@h/d?table=hr_1", "pgvector", "postgresql://u@h/d", "hr_1"),
        ("faiss:./index", "faiss", "./index", ""),
        ("parquet:./vectors ", "parquet", "./vectors", ""),
    ],
)
def test_a_location_says_which_store_where_and_under_which_name(text, kind, target, name):
    location = parse_location(text)
    assert (location.kind, location.target, location.name) == (kind, target, name)
    assert location.is_server == ("http" in text or "postgresql" in text)


def test_what_else_a_database_url_says_stays_in_it():
    location = parse_location("pgvector:postgresql://h/d?sslmode=require&table=hr_1&index=ivfflat")
    assert location.target == "postgresql://h/d?sslmode=require"
    asked = "postgresql://h/d?options=-c%20work_mem%3D1GB&application_name=a+b"
    assert parse_location(f"{asked}&table=hr_1").target == asked
    assert location.options == {"table": "hr_1", "index": "ivfflat"}
    assert str(location).endswith("postgresql://h/d?sslmode=require&table=hr_1&index=ivfflat")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("./db", "names no store. Write lancedb:./db"),
        ("", "names no store"),
        ("milvus:./db", "names no store"),
        ("lancedb:", "does not say where"),
        ("lancedb:./db?collection=x", r"no option 'collection'; it takes \?table= and \?index="),
        ("parquet:./v?table=x", "takes none"),
        ("lancedb:./db?index=ivf", "index= one of none, hnsw"),
        ("lancedb:./db?table=a b", "cannot be the name"),
        ("lancedb:./db?table=../../etc", "cannot be the name"),
        ("pgvector:postgresql://h/d?table=Robert'); --", "lower-case letters"),
        ("pgvector:./db", "postgresql://user@host"),
        ("faiss:http://host", "takes a folder"),
    ],
)
def test_what_is_wrong_with_a_location_is_said(text, says):
    with pytest.raises(UsageError, match=says):
        parse_location(text)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:s3cret@host:5432/db",
        "postgresql://me:s3cret@host/db?table=hr_1",
        "postgresql://me:s3cret/with@signs@host/db",
        "postgresql://host/db?user=me&password=s3cret&sslmode=require",
        "postgresql://:s3cret@host/db",
    ],
)
def test_no_password_is_shown(address):
    location = parse_location(f"pgvector:{address}")
    assert "s3cret" not in f"{location} {location!r} {without_password(address)}"
    assert any("s3cret" in secret for secret in passwords_in(location.target))


def test_no_password_is_shown_of_what_names_no_store():
    with pytest.raises(UsageError) as caught:
        parse_location("mysql://me:s3cret@host/db")
    assert "s3cret" not in str(caught.value)
