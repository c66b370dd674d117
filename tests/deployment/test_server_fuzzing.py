"""Requests that schemathesis makes up from the server's own OpenAPI.

benchmarks/fuzzing.py sends ten thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from served import running

from handbook_sentences import HANDBOOK
from homing.deployment.bundle import load_bundle, make_bundle
from homing.retrieval.encoders import encoder_for
from homing.retrieval.reranking import load_reranker
from homing.types import Passage

pytest.importorskip("fastapi")
schemathesis = pytest.importorskip("schemathesis")

CASES = 20
"""Of each operation and of each kind: sound, malformed."""


@pytest.fixture(scope="module")
def schema(
    tiny_model: Path, tiny_reranker: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    from homing.deployment.server import make_app
    from homing.deployment.server.model import serve_as
    from homing.deployment.server.searching import SearchIndex

    encoder = encoder_for(str(tiny_model))
    folder = tmp_path_factory.mktemp("fuzzed") / "bundle"
    passages = [Passage(key, key, 0, len(t), t, ("Handbook",)) for key, t in HANDBOOK.items()]
    make_bundle(folder, passages, encoder, model="tuned")
    app = make_app(
        serve_as("tuned", encoder, tiny_model),
        index=SearchIndex(load_bundle(folder)),
        scorer=load_reranker(str(tiny_reranker)),
    )
    with running(app) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


def modes(operation: Any) -> list[Any]:
    """Return the kinds of requests that there are: without a body none is malformed."""
    kinds = schemathesis.GenerationMode
    return [kinds.POSITIVE, kinds.NEGATIVE] if operation.body else [kinds.POSITIVE]


@pytest.mark.slow
def test_nothing_that_is_sent_brings_it_out_of_step_with_its_openapi(schema):
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 8
    statuses: set[int] = set()
    for operation in operations:
        for mode in modes(operation):

            @settings(
                max_examples=CASES,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                response = case.call()
                statuses.add(response.status_code)
                case.validate_response(response)

            ask()
    assert {200, 400, 404} <= statuses
    assert max(statuses) < 500


def test_all_that_may_be_answered_is_told(schema):
    told = schema.raw_schema["paths"]
    for path in ("/v1/embeddings", "/v1/search", "/v1/rerank"):
        statuses = set(told[path]["post"]["responses"])
        assert {"200", "400", "401", "404", "413", "422", "429", "503", "504"} <= statuses
