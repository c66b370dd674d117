"""Vectors from an endpoint, over real HTTP: the model's own, paid for once, whatever goes wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.llm.embedding import LIMITS, PROBE, EndpointEncoder, EndpointSettings
from homing.llm.ledger import Ledger
from homing.llm.openai_embeddings import read_vectors
from homing.llm.provider import ProviderError, TransientFailure
from homing.llm.testing import TRANSIENT, Faults, HashVectors, ModelVectors, TestServer
from homing.llm.tries import Limits
from homing.retrieval.encoders import encoder_for
from homing.types import Encoder

ServerFactory = Callable[..., TestServer]
TEXTS = list(HANDBOOK.values())
QUESTIONS = ["how long is parental leave", "who pays for travel"]
QUICK = Limits(max_concurrency=4, backoff_s=0.001, max_backoff_s=0.01, timeout_s=20.0)


def encoder_of(
    server: TestServer, ledger: Path | None = None, model: str = "test", **rest: object
) -> EndpointEncoder:
    fields = {"base_url": server.url, "ledger": ledger, "limits": QUICK, "batch": 4, **rest}
    return EndpointEncoder(model, EndpointSettings(**fields))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("refused", [(), ("encoding_format",)], ids=["base64", "floats"])
def test_vectors_are_those_of_the_model_that_is_served(
    server_factory: ServerFactory, tiny_model: Path, refused: tuple[str, ...]
) -> None:
    local = encoder_for(str(tiny_model))
    server = server_factory(embedder=ModelVectors(tiny_model), unsupported=refused)
    remote = encoder_of(server)
    assert isinstance(remote, Encoder)
    assert remote.dimensions == local.dimensions
    for asked, expected in [
        (remote.encode_passages(TEXTS), local.encode_passages(TEXTS)),
        (remote.encode_queries(QUESTIONS), local.encode_queries(QUESTIONS)),
    ]:
        assert asked.dtype == np.float32
        assert np.abs(asked - expected).max() < 1e-5


def test_what_was_embedded_once_is_never_sent_again(
    server_factory: ServerFactory, tmp_path: Path
) -> None:
    server, path = server_factory(), tmp_path / "ledger.sqlite"
    first = encoder_of(server, path, price=0.02).encode_passages([*TEXTS, TEXTS[0]])
    n = server.counts.requests
    again = encoder_of(server, path, price=0.02)
    assert np.array_equal(again.encode_passages([*TEXTS, TEXTS[0]]), first)
    assert server.counts.requests == n
    again.encode_passages([*TEXTS, "Dogs may come along on Fridays."])
    assert server.counts.requests == n + 1
    assert server.counts.n_repeated == 0
    assert server.counts.answered == len(set(TEXTS)) + 2  # one to find out the length
    with Ledger(path) as ledger:
        spent = ledger.spent(purpose="embed", provider="openai:test")
    assert spent.input_tokens == server.counts.input_tokens > 0
    assert spent.price_usd == pytest.approx(0.02 * spent.input_tokens / 1e6)
    assert spent.n_unpriced == 0


def test_other_models_lengths_servers_and_prompts_are_other_vectors(
    server_factory: ServerFactory, tmp_path: Path
) -> None:
    server, path = server_factory(), tmp_path / "ledger.sqlite"
    other_server = server_factory(embedder=HashVectors(64))
    encoders = [
        encoder_of(server, path),
        encoder_of(server, path, "another"),
        encoder_of(server, path, dimensions=16),
        encoder_of(other_server, path),
        encoder_of(server, path, query_prompt="query: "),
    ]
    assert len({encoder.key for encoder in encoders}) == 5
    for encoder in encoders:
        encoder.encode_queries(QUESTIONS)
    assert server.counts.answered == 4 * 2 + 3
    assert other_server.counts.answered == 3
    prompted = encoders[-1].encode_queries(QUESTIONS)
    plain = encoders[0].encode_passages([f"query: {question}" for question in QUESTIONS])
    assert np.array_equal(prompted, plain)


def test_the_length_asked_for_is_got_and_every_vector_has_length_one(
    server_factory: ServerFactory,
) -> None:
    long = server_factory(embedder=lambda texts: 7 * HashVectors(64)(texts))
    encoder = encoder_of(long, dimensions=16)
    vectors = encoder.encode_passages(TEXTS)
    assert encoder.dimensions == vectors.shape[1] == 16
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert np.linalg.norm(encoder_of(long).encode_queries(TEXTS), axis=1) == pytest.approx(1.0)


def test_an_empty_text_and_no_text_are_no_trouble(server_factory: ServerFactory) -> None:
    encoder = encoder_of(server_factory())
    assert encoder.encode_passages([""]).shape == (1, 64)
    assert encoder.encode_passages([]).shape == (0, 64)


@pytest.mark.parametrize("fault", TRANSIENT)
def test_each_fault_that_passes_is_survived(
    server_factory: ServerFactory, tmp_path: Path, fault: str
) -> None:
    faults = Faults(script=["ok", fault, fault], slow_s=0.05)
    server = server_factory(faults=faults, retry_after_s=0.05)
    vectors = encoder_of(server, tmp_path / "l").encode_passages(TEXTS)
    assert np.abs(vectors - HashVectors()(TEXTS)).max() < 1e-6
    assert server.counts.by_fault[fault] == 2


def test_junk_bodies_and_numbers_that_are_none_are_survived_too(
    server_factory: ServerFactory,
) -> None:
    faults = Faults(script=["junk", "junk_body"], junk_bytes=100_000)
    server = server_factory(faults=faults)
    assert np.isfinite(encoder_of(server).encode_passages(TEXTS)).all()


def test_a_server_that_never_gives_numbers_is_given_up_with_what_it_gave(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(faults=Faults(junk=1.0))
    with pytest.raises(ProviderError, match=r"no vectors after 6 tries.*what is no number"):
        encoder_of(server)


def test_a_wrong_key_stops_everything_at_once(server_factory: ServerFactory) -> None:
    server = server_factory(api_key="sk-of-the-test")
    with pytest.raises(ProviderError, match="wants a key, and OPENAI_API_KEY is not set"):
        encoder_of(server)
    assert server.counts.requests == 1


def test_a_model_that_is_not_there_is_named_with_those_that_are(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(models=["small", "large"])
    with pytest.raises(ProviderError, match=r"has no model test\. It has large, small"):
        encoder_of(server)


def test_a_key_for_openai_itself_is_asked_for_before_anything_is_sent() -> None:
    with pytest.raises(ProviderError, match="OPENAI_API_KEY is not set"):
        EndpointEncoder("text-embedding-3-small")


def test_what_was_answered_before_a_stop_is_not_asked_for_again(
    server_factory: ServerFactory, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.sqlite"
    texts = [f"Rule {n} of the handbook." for n in range(40)]
    server = server_factory(faults=Faults(script=[*["ok"] * 5, "quota"]))
    encoder = encoder_of(server, path, limits=Limits(max_concurrency=1))
    with pytest.raises(ProviderError, match="nothing left to spend"):
        encoder.encode_passages(texts)
    assert server.counts.answered == 1 + 4 * 4
    encoder.encode_passages(texts)
    assert server.counts.answered == 41
    assert server.counts.n_repeated == 0


EMBEDS = """
import sys
from pathlib import Path
from homing.llm.embedding import EndpointEncoder, EndpointSettings
settings = EndpointSettings(base_url=sys.argv[1], ledger=Path(sys.argv[2]), batch=2)
EndpointEncoder("test", settings).encode_passages([f"Rule {n}." for n in range(400)])
"""


@pytest.mark.slow
def test_a_killed_job_loses_no_more_than_the_calls_under_way(
    server_factory: ServerFactory, tmp_path: Path
) -> None:
    server, path = server_factory(delay_s=0.02), tmp_path / "ledger.sqlite"
    command = [sys.executable, "-c", EMBEDS, server.url, str(path)]
    job = subprocess.Popen(command)
    while server.counts.answered < 60 and job.poll() is None:
        time.sleep(0.005)
    job.kill()
    job.wait()
    # Not what the server saw at once: an answer may wait in the socket of a process that is killed.
    most_under_way = 2 * LIMITS.max_concurrency
    settings = EndpointSettings(base_url=server.url, ledger=path, batch=2)
    vectors = EndpointEncoder("test", settings).encode_passages([f"Rule {n}." for n in range(400)])
    assert np.abs(vectors - HashVectors()([f"Rule {n}." for n in range(400)])).max() < 1e-6
    n_paid_twice = server.counts.answered - 401
    assert 0 <= n_paid_twice <= most_under_way


def test_texts_that_are_too_long_are_cut_until_they_are_taken_and_that_is_said(
    server_factory: ServerFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    server = server_factory(max_input_tokens=100)
    long = "Parents may take leave. " * 100
    vectors = encoder_of(server).encode_passages([*TEXTS, long])
    assert np.abs(vectors[:-1] - HashVectors()(TEXTS)).max() < 1e-6
    assert "1 text was longer than openai:test takes" in capsys.readouterr().err


def test_a_server_that_takes_few_texts_at_once_is_given_few(server_factory: ServerFactory) -> None:
    server = server_factory(max_inputs=3)
    vectors = encoder_of(server, batch=64).encode_passages(TEXTS)
    assert np.abs(vectors - HashVectors()(TEXTS)).max() < 1e-6


def test_a_server_that_shortens_nothing_is_told_from_one_that_does(
    server_factory: ServerFactory,
) -> None:
    with pytest.raises(ProviderError, match=r"of 64 numbers where 16 were asked for.*Leave dim"):
        encoder_of(server_factory(ignores=("dimensions",)), dimensions=16)
    with pytest.raises(ProviderError, match=r"does not take dimensions=16.*Leave dimensions out"):
        encoder_of(server_factory(unsupported=("dimensions",)), dimensions=16)
    with pytest.raises(ProviderError, match=r"does not take dimensions=65"):
        encoder_of(server_factory(), dimensions=65)


def test_another_model_under_the_same_address_is_found_out(
    server_factory: ServerFactory, tmp_path: Path
) -> None:
    server = server_factory()
    encoder = encoder_of(server, tmp_path / "l")
    server.embedder = HashVectors(32)
    with pytest.raises(ProviderError, match="of 32 numbers now and of 64 before"):
        encoder.encode_passages(TEXTS)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (None, "0 vectors for 2 texts"),
        ([{"index": 0, "embedding": [1.0]}], "1 vectors for 2 texts"),
        ([{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}], "which vector"),
        ([{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}], "several lengths"),
        ([{"embedding": [1.0]}, {"embedding": ["x"]}], "no vector"),
        ([{"embedding": [1.0]}, {"embedding": "???"}], "no vector"),
        ([{"embedding": [1.0]}, {}], "no vector"),
        ([{"embedding": [1.0]}, {"embedding": [float("nan")]}], "no number"),
    ],
)
def test_vectors_that_are_none_are_refused_with_the_reason(data: object, what: str) -> None:
    with pytest.raises(TransientFailure, match=what):
        read_vectors(data, 2)


def test_vectors_are_put_into_the_order_of_the_texts() -> None:
    data = [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]
    assert read_vectors(data, 2).tolist() == [[2.0], [1.0]]


@pytest.mark.slow
@pytest.mark.usefixtures("in_float32")
def test_the_server_as_a_process_gives_the_vectors_of_a_model(tiny_model: Path) -> None:
    command = [sys.executable, "-m", "homing.llm.testing", "--embed", str(tiny_model)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    vectors = EndpointEncoder("m", EndpointSettings(base_url=url)).encode_passages(TEXTS)
    assert np.abs(vectors - encoder_for(str(tiny_model)).encode_passages(TEXTS)).max() < 1e-5
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    by_path = json.loads(output.splitlines()[-1])["by_path"]
    assert by_path["POST /v1/embeddings"] >= 2


def test_the_probe_is_a_text_like_any_other(server_factory: ServerFactory, tmp_path: Path) -> None:
    server, path = server_factory(), tmp_path / "l"
    encoder_of(server, path).encode_passages([PROBE])
    assert server.counts.answered == 1
