"""What only a database can do wrong."""

from __future__ import annotations

from contextlib import closing
from urllib.parse import quote

import psycopg
import pytest
from hashed import HashEncoder, passage
from pg_server import PASSWORD

from homing.deployment.indexes.indexing import facts_of, fill, prepare
from homing.deployment.indexes.locations import parse_location
from homing.deployment.indexes.opening import open_store
from homing.deployment.indexes.verifying import verify
from homing.errors import StoreError, UsageError

RULES = [passage(number) for number in range(50)]
SECRETS = (PASSWORD, quote(PASSWORD, safe=""), "s3cret")


def opened(location: str):
    """Return the store of a location, to be filled."""
    return closing(open_store(parse_location(location), write=True))


def said(caught: pytest.ExceptionInfo[Exception]) -> str:
    """Return an error's whole text, its causes included; none of it may hold the password."""
    text, error = "", caught.value
    while error is not None:
        text += f"{error!r} {error}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert not any(secret in text for secret in SECRETS)
    return text


def test_a_wrong_password_is_an_error_that_does_not_show_it(postgres) -> None:
    wrong = postgres.replace("s3cret", "s3cretwrong")
    with pytest.raises(StoreError) as caught:
        opened(f"pgvector:{wrong}")
    assert "password authentication failed" in said(caught)
    assert "postgresql://homing:***@127.0.0.1" in said(caught)


@pytest.mark.parametrize("address", [f"homing:{PASSWORD}@nowhere.invalid/db", "h:s3cret@h:x/db"])
def test_an_address_that_leads_nowhere(address: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        opened(f"pgvector:postgresql://{address}")
    assert "pgvector:postgresql://" in said(caught)


def test_a_table_of_someone_else_is_left_alone(place, postgres) -> None:
    location = place("pgvector")
    table = parse_location(location).name
    with psycopg.connect(postgres) as connection:
        connection.execute(f"CREATE TABLE {table} (id int)")
        connection.execute(f"COMMENT ON TABLE {table} IS 'Accounts'")
    for replace in (False, True):
        with opened(location) as store, pytest.raises(UsageError, match="did not write"):
            prepare(store, facts_of(HashEncoder(), "m"), location, replace=replace)
    with psycopg.connect(postgres) as connection:
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.parametrize("kind", ["ivfflat", "hnsw", "none"])
def test_the_index_that_was_asked_for_is_made_and_says_what_it_is(place, kind: str) -> None:
    location, encoder = place("pgvector", index=kind), HashEncoder()
    with opened(location) as store:
        prepare(store, facts_of(encoder, "m"), location)
        fill(store, lambda: iter(RULES), encoder)
        seen = verify(store, lambda: iter(RULES), 50, encoder, [])
    assert seen.is_exact == (kind == "none")
    with psycopg.connect(parse_location(location).target) as connection:
        table = parse_location(location).name
        rows = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = %s", (table,)
        ).fetchall()
    assert any(f"USING {kind}" in row[0] for row in rows) == (kind != "none")


def test_vectors_too_long_for_an_index_are_compared_one_by_one(place, capsys) -> None:
    location, encoder = place("pgvector"), HashEncoder(dimensions=2100)
    with opened(location) as store:
        prepare(store, facts_of(encoder, "m"), location)
        fill(store, lambda: iter(RULES), encoder)
        assert verify(store, lambda: iter(RULES), 50, encoder, ["?"]).is_exact
    assert "at most 2,000 dimensions" in capsys.readouterr().err


def test_a_server_that_goes_away_is_an_error_that_says_what_to_do(place, postgres) -> None:
    location, encoder = place("pgvector"), HashEncoder()

    def cut(_: int) -> None:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    encoder.before = cut
    with opened(location) as store:
        prepare(store, facts_of(encoder, "m"), location)
        with pytest.raises(StoreError, match="run the same command again") as caught:
            fill(store, lambda: iter(RULES), encoder)
    assert "terminating connection" in said(caught)
    again = HashEncoder()
    with opened(location) as store:
        prepare(store, facts_of(again, "m"), location)
        assert fill(store, lambda: iter(RULES), again).n_written == 50
