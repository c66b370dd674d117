"""The embeddings of a real server, asked by the real openai client."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from served import ask, running

from handbook_sentences import HANDBOOK
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.models import load_sentence_transformer

openai = pytest.importorskip("openai")
pytest.importorskip("fastapi")

TEXTS = [*HANDBOOK.values(), "Leave", " ".join(HANDBOOK.values())]
KEY = "a-key-for-tests"
PROMPTS = {"query": "question about the office: ", "document": "from the handbook: "}


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a prompt for each side."""
    folder = shutil.copytree(tiny_model, tmp_path_factory.mktemp("prompted") / "tuned")
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "prompts": PROMPTS}))
    return folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(load_sentence_transformer(str(folder)), bf16=False)


@pytest.fixture(scope="module")
def address(folder: Path, encoder: SentenceTransformerEncoder) -> Iterator[str]:
    from homing.deployment.server import make_app
    from homing.deployment.server.model import serve_as

    with running(make_app(serve_as("tuned", encoder, folder), api_key=KEY)) as address:
        yield address


@pytest.fixture
def client(address: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0)


def vectors(answer: openai.types.CreateEmbeddingResponse) -> np.ndarray:
    assert [item.index for item in answer.data] == list(range(len(answer.data)))
    return np.array([item.embedding for item in answer.data], dtype=np.float32)


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}])
def test_texts_become_the_vectors_of_the_model(client, encoder, encoding):
    answer = client.embeddings.create(model="tuned", input=TEXTS, **encoding)
    assert np.abs(vectors(answer) - encoder.encode_passages(TEXTS)).max() < 1e-5
    one = client.embeddings.create(model="tuned", input=TEXTS[0], **encoding)
    assert np.abs(vectors(one) - encoder.encode_passages(TEXTS[:1])).max() < 1e-5


def test_base64_is_little_endian_float32(address, encoder):
    import base64

    body = {"input": TEXTS[0], "model": "tuned", "encoding_format": "base64"}
    status, _, answer = ask(f"{address}/v1/embeddings", body, {"Authorization": f"Bearer {KEY}"})
    found = np.frombuffer(base64.b64decode(answer["data"][0]["embedding"]), dtype="<f4")
    assert status == 200
    assert np.abs(found - encoder.encode_passages(TEXTS[:1])[0]).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "more", "side"),
    [
        ("tuned", {}, "passages"),
        ("tuned:passage", {}, "passages"),
        ("tuned:query", {}, "queries"),
        ("tuned", {"input_type": "query"}, "queries"),
        ("tuned", {"input_type": "search_query"}, "queries"),
        ("tuned", {"input_type": "passage"}, "passages"),
        ("tuned", {"input_type": "search_document"}, "passages"),
        ("tuned:query", {"input_type": "query"}, "queries"),
    ],
)
def test_name_and_type_say_which_prompt_a_text_is_given(client, encoder, name, more, side):
    found = vectors(client.embeddings.create(model=name, input=TEXTS, extra_body=more))
    expected, other = encoder.encode_queries(TEXTS), encoder.encode_passages(TEXTS)
    if side == "passages":
        expected, other = other, expected
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(found - other).max() > 1e-3


def test_shorter_vectors_are_the_first_dimensions_of_length_one(client, encoder):
    found = vectors(client.embeddings.create(model="tuned", input=TEXTS, dimensions=8))
    expected = encoder.encode_passages(TEXTS)[:, :8]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert found.shape == (len(TEXTS), 8)
    assert np.abs(found - expected).max() < 1e-5
    whole = vectors(client.embeddings.create(model="tuned", input=TEXTS, dimensions=32))
    assert np.abs(whole - encoder.encode_passages(TEXTS)).max() < 1e-5
    with pytest.raises(openai.BadRequestError, match="have 32 dimensions; 33 cannot be had"):
        client.embeddings.create(model="tuned", input=TEXTS, dimensions=33)


def test_usage_counts_what_the_model_reads(client, encoder):
    tokenizer = encoder.model.tokenizer
    prompted = [PROMPTS["document"] + text for text in TEXTS]
    ids = tokenizer(prompted, truncation=True, max_length=64)["input_ids"]
    used = client.embeddings.create(model="tuned", input=TEXTS).usage
    assert used.prompt_tokens == used.total_tokens == sum(map(len, ids))
    assert max(map(len, ids)) == 64  # the last text is cut, as the model does


@pytest.mark.parametrize("ids", [[1, 2, 3], [[1, 2], [3]]])
def test_token_ids_are_refused_with_the_setting_to_change(client, ids):
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False") as caught:
        client.embeddings.create(model="tuned", input=ids)
    assert caught.value.code == "token_ids"
    assert caught.value.param == "input"


def test_another_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError, match=r"There is tuned for passages") as caught:
        client.embeddings.create(model="text-embedding-3-small", input="leave")
    assert caught.value.code == "model_not_found"


def test_a_name_and_a_type_that_contradict_each_other_are_refused(client):
    with pytest.raises(openai.BadRequestError, match="contradict each other"):
        client.embeddings.create(
            model="tuned:query", input="leave", extra_body={"input_type": "passage"}
        )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"\xff\xfe", None),
        (b"", None),
        ([], None),
        (17, None),
        ({"model": "tuned"}, "input"),
        ({"model": "tuned", "input": ""}, "input"),
        ({"model": "tuned", "input": []}, "input"),
        ({"model": "tuned", "input": ["leave", ""]}, "input"),
        ({"model": "tuned", "input": ["leave", None]}, "input"),
        ({"model": "tuned", "input": {"text": "leave"}}, "input"),
        ({"model": "tuned", "input": "leave", "input_typo": "query"}, "input_typo"),
        ({"model": "tuned", "input": "leave", "input_type": "question"}, "input_type"),
        ({"model": "tuned", "input": "leave", "dimensions": 0}, "dimensions"),
        ({"model": "tuned", "input": "leave", "dimensions": "8"}, "dimensions"),
        ({"model": "tuned", "input": "leave", "encoding_format": "int8"}, "encoding_format"),
        ({"model": 5, "input": "leave"}, "model"),
        (b'{"model": "tuned", "input": "\\ud800"}', None),
    ],
)
def test_what_is_malformed_is_a_400_that_names_the_field(address, body, param):
    status, _, answer = ask(f"{address}/v1/embeddings", body, {"Authorization": f"Bearer {KEY}"})
    assert status == 400
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["param"] == param
    assert answer["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("key", ["wrong", "a-key-for-test", KEY + "s"])
def test_a_wrong_key_is_refused_and_no_key_is_logged(address, key, caplog):
    caplog.set_level(logging.DEBUG)
    client = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)
    for call in (client.models.list, lambda: client.embeddings.create(model="x", input="leave")):
        with pytest.raises(openai.AuthenticationError, match="missing or wrong"):
            call()
    assert key not in "".join(r.message for r in caplog.records if r.name.startswith("homing"))
    assert ask(f"{address}/v1/models")[0] == 401
    assert ask(f"{address}/v1/models", headers={"Authorization": KEY})[0] == 401
    assert ask(f"{address}/v1/models", headers={"Authorization": f"Bearer ä{KEY}"})[0] == 401


def test_health_and_metrics_need_no_key(address):
    status, _, health = ask(f"{address}/health")
    assert (status, health["status"], health["model"]) == (200, "ok", "tuned")
    assert ask(f"{address}/ready")[0] == ask(f"{address}/metrics")[0] == 200


def test_the_names_of_the_model_are_listed(client):
    listed = {model.id for model in client.models.list()}
    assert listed == {"tuned", "tuned:query", "tuned:passage"}
    assert client.models.retrieve("tuned:query").id == "tuned:query"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")


def test_what_is_not_there_is_said_in_the_same_shape(address):
    status, _, answer = ask(f"{address}/v1/completions", {"prompt": "leave"})
    assert (status, answer["error"]["code"]) == (404, "not_found")
    status, headers, answer = ask(f"{address}/v1/embeddings")
    assert (status, answer["error"]["code"]) == (405, "method_not_allowed")
    assert headers["Allow"] == "POST"


def test_questions_and_passages_asked_together_get_the_vectors_they_get_alone(client, encoder):
    asked = [(text, number % 3 == 0) for number, text in enumerate(TEXTS * 8)]

    def embed(item: tuple[str, bool]) -> np.ndarray:
        text, is_query = item
        name = "tuned:query" if is_query else "tuned"
        return vectors(client.embeddings.create(model=name, input=text))[0]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(embed, asked))
    queries, passages = encoder.encode_queries(TEXTS), encoder.encode_passages(TEXTS)
    for number, (vector, (_, is_query)) in enumerate(zip(found, asked, strict=True)):
        expected = (queries if is_query else passages)[number % len(TEXTS)]
        assert np.abs(vector - expected).max() < 1e-5


@pytest.mark.slow
def test_many_texts_come_back_in_their_order(client, encoder):
    texts = [f"{text} {number}" for number in range(40) for text in TEXTS]
    found = vectors(client.embeddings.create(model="tuned", input=texts, encoding_format="float"))
    assert np.abs(found - encoder.encode_passages(texts)).max() < 1e-5


def test_counters_are_as_prometheus_reads_them(address, client):
    from prometheus_client.parser import text_string_to_metric_families

    def read() -> dict[str, float]:
        text = ask(f"{address}/metrics")[2].decode()
        return {
            f"{sample.name}{sorted(sample.labels.items())}": sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    before = read()
    used = client.embeddings.create(model="tuned", input=TEXTS).usage.prompt_tokens
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="other", input="leave")
    after = read()

    def more(name: str, **labels: str) -> float:
        key = f"{name}{sorted(labels.items())}"
        return after[key] - before.get(key, 0)

    assert more("homing_requests_total", endpoint="embeddings", status="200") == 1
    assert more("homing_requests_total", endpoint="embeddings", status="404") == 1
    assert more("homing_rejected_total", code="model_not_found") == 1
    assert more("homing_request_seconds_count", endpoint="embeddings") == 2
    assert more("homing_batch_texts_sum", work="embed") == len(TEXTS)
    assert more("homing_tokens_total") == used
    assert after["homing_queue_requests[]"] == 0
    assert after["process_resident_memory_bytes[]"] > 1e7


def test_a_model_without_torch_is_served_the_same(static_model, folder):
    from homing.deployment.server import make_app
    from homing.deployment.server.model import serve_as
    from homing.retrieval.static import load_static

    encoder = load_static(str(static_model))
    with running(make_app(serve_as("static", encoder, static_model))) as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        answer = client.embeddings.create(model="static:query", input=TEXTS)
    assert np.abs(vectors(answer) - encoder.encode_queries(TEXTS)).max() < 1e-5
    assert answer.usage.prompt_tokens > 0
