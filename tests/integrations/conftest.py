"""Models that a forgotten prompt or a wrong tower would show in, by folder and by server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from thread_server import served
from tuned_models import KINDS, Tuned, make_tuned

from homing.deployment.server.model import serve_as

os.environ.setdefault("LANCE_LOG", "error")
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")


@pytest.fixture(scope="session", params=KINDS)
def tuned(
    request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Tuned:
    """A model of each kind that tuning hands over."""
    return make_tuned(request.param, tiny_model, tmp_path_factory.mktemp("tuned") / "model")


@pytest.fixture(scope="session")
def server(tuned: Tuned) -> Iterator[str]:
    """The base URL of a server that serves the model as "handbook"."""
    with served(serve_as("handbook", tuned.encoder, tuned.folder)) as url:
        yield url
