"""A server that speaks the models' APIs, for every test that asks one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from homing.llm.testing import QuestionsOf, TestServer

ServerFactory = Callable[..., TestServer]


@pytest.fixture
def server_factory() -> Iterator[ServerFactory]:
    """Start servers, each as `server_factory(**behaviour)`; they stop when the test ends."""
    with ExitStack() as stack:
        yield lambda *args, **behaviour: stack.enter_context(TestServer(*args, **behaviour))


@pytest.fixture(scope="session")
def sec10k_train(shared_data: Path) -> Path:
    """The LlamaIndex dataset of real questions about Lyft's annual report."""
    return shared_data / "sec10k" / "gpt-3.5-turbo" / "train_dataset.json"


@pytest.fixture(scope="session")
def real_questions(sec10k_train: Path) -> QuestionsOf:
    """Answers with the real questions about Lyft's annual report."""
    return QuestionsOf([sec10k_train])


@pytest.fixture
def questions_schema() -> Callable[[int], dict[str, Any]]:
    """Make the schema of an answer of `n` questions, each with its kind, as OpenAI takes it."""

    def make(n: int) -> dict[str, Any]:
        kind = {"type": "string", "enum": ["factual", "how_to"]}
        question = {
            "type": "object",
            "properties": {"question": {"type": "string"}, "kind": kind},
            "required": ["question", "kind"],
            "additionalProperties": False,
        }
        questions = {"type": "array", "minItems": n, "maxItems": n, "items": question}
        return {
            "type": "object",
            "properties": {"questions": questions},
            "required": ["questions"],
            "additionalProperties": False,
        }

    return make
