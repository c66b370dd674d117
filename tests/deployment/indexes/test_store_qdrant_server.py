"""Qdrant over HTTP: the requests of the real client, answered by its own embedded engine."""

from __future__ import annotations

from contextlib import closing

import pytest
from hashed import HashEncoder, passage

from homing.deployment.indexes.indexing import Filled, facts_of, fill, prepare
from homing.deployment.indexes.locations import parse_location
from homing.deployment.indexes.opening import open_store
from homing.deployment.indexes.verifying import verify
from homing.errors import StoreError, UsageError

pytest.importorskip("qdrant_client")
from qdrant_rest import rest_server

RULES = [passage(number) for number in range(50)]


def filled(location: str, records: list, encoder: HashEncoder) -> Filled:
    """Fill the server's collection and have it checked."""
    with closing(open_store(parse_location(location), write=True)) as store:
        prepare(store, facts_of(encoder, "a-model"), location)
        done = fill(store, lambda: iter(records), encoder, batch_size=20)
        seen = verify(store, lambda: iter(records), len(records), encoder, ["about light 3?"])
        assert not seen.is_exact  # a server searches by HNSW, whatever answers here
        assert (seen.n_found_first, seen.recall) == (seen.n_sampled, 1.0)
        return done


def test_a_server_is_filled_brought_up_to_date_and_asked(monkeypatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "a key")
    with rest_server() as (url, engine):
        assert filled(url, RULES, HashEncoder()) == Filled(50, 50, 0, 0, 0)
        changed = [*RULES[:40], passage(41, "Rule 41 was changed.")]
        assert filled(f"qdrant:{url}", changed, HashEncoder()) == Filled(41, 1, 40, 9, 0)
        with pytest.raises(UsageError, match="--replace"):
            filled(url, RULES, HashEncoder("another"))
        filled(f"{url}?collection=second", RULES[:5], HashEncoder("another"))
        assert engine.client.count("homing").count == 41
        assert engine.client.count("second").count == 5
    assert {key for *_, key in engine.asked} == {"a key"}


def test_a_server_that_does_not_answer_is_named() -> None:
    with (
        pytest.raises(StoreError, match=r"http://127\.0\.0\.1:9"),
        closing(open_store(parse_location("http://127.0.0.1:9"), write=True)) as store,
    ):
        store.facts()
