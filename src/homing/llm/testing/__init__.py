"""A model's server for tests: the real APIs over real HTTP, with made-up answers and real faults.

    with TestServer(QuestionsOf(["train_dataset.json"]), faults=Faults.mixed(0.05)) as server:
        client = openai.OpenAI(base_url=server.url, api_key="any")
        ...
        assert server.counts.n_repeated == 0

Or as a process: `python -m homing.llm.testing --help`. It listens on 127.0.0.1 alone.
"""

from homing.llm.testing.answers import Answerer, MadeUp, QuestionsOf
from homing.llm.testing.asked import Asked, count_tokens
from homing.llm.testing.behaviour import Behaviour
from homing.llm.testing.counts import Counts, Paid, read_paid
from homing.llm.testing.faults import KINDS, TRANSIENT, Faults
from homing.llm.testing.server import TestServer
from homing.llm.testing.vectors import Embedder, HashVectors, ModelVectors

__all__ = [
    "KINDS",
    "TRANSIENT",
    "Answerer",
    "Asked",
    "Behaviour",
    "Counts",
    "Embedder",
    "Faults",
    "HashVectors",
    "MadeUp",
    "ModelVectors",
    "Paid",
    "QuestionsOf",
    "TestServer",
    "count_tokens",
    "read_paid",
]
