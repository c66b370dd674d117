"""What a job would cost: near what is then counted, and nearer once there are answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homing.llm.dispatch import Limits
from homing.llm.ledger import Ledger
from homing.llm.openai import OpenAIProvider
from homing.llm.provider import ChatRequest
from homing.llm.testing import QuestionsOf, TestServer
from homing.llm.tokens import estimate_tokens
from homing.types import Passage
from homing.writing.estimating import MIN_CALLS, answer_tokens, estimate, request_tokens
from homing.writing.llm import LLMWriter
from homing.writing.planning import plan_questions
from homing.writing.prompts import load_prompt


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


@pytest.fixture(scope="module")
def lyft(shared_data: Path) -> tuple[Path, list[Passage]]:
    path = shared_data / "sec10k" / "gpt-3.5-turbo" / "train_dataset.json"
    corpus = list(json.loads(path.read_text("utf-8"))["corpus"].items())[:80]
    return path, [Passage(i, "lyft", 0, len(t), t, ("Lyft 10-K",)) for i, t in corpus]


def writer(server: TestServer, ledger: Ledger, **settings: Any) -> LLMWriter:
    provider = OpenAIProvider("test", base_url=server.url, ledger=ledger)
    settings = {"prompt": load_prompt("mixed"), "limits": Limits(max_concurrency=8)} | settings
    return LLMWriter(provider, ledger, **settings)


def test_the_estimate_is_near_what_is_counted_and_sends_nothing(
    ledger: Ledger, lyft: tuple[Path, list[Passage]]
) -> None:
    path, passages = lyft
    with TestServer(QuestionsOf([path]), count_tokens=estimate_tokens) as server:
        writing = writer(server, ledger, per_million=(1.0, 1.0))
        expected = estimate(writing, passages)
        assert server.counts.requests == 0
        assert (expected.n_calls, expected.n_found) == (len(passages), 0)
        assert expected.seconds is None
        list(writing.write(passages))
        assert expected.input_tokens == pytest.approx(server.counts.input_tokens, rel=0.02)
        counted = server.counts.input_tokens + server.counts.output_tokens
        assert expected.input_tokens + expected.output_tokens == pytest.approx(counted, rel=0.05)
        assert expected.price_usd == pytest.approx(counted / 1e6, rel=0.05)
        done = estimate(writing, passages)
        half = estimate(writer(server, Ledger(ledger.path.with_name("new")), per_million=(1, 1)),
                        passages, price_factor=0.5)  # fmt: skip
    assert half.price_usd == pytest.approx(expected.price_usd / 2)
    assert (done.n_calls, done.n_found, done.input_tokens) == (0, len(passages), 0)
    assert (done.output_tokens, done.price_usd, done.seconds) == (0, 0.0, 0.0)


def test_answers_in_the_ledger_correct_the_estimate_of_the_rest(
    ledger: Ledger, lyft: tuple[Path, list[Passage]]
) -> None:
    path, passages = lyft

    def other_tokenizer(text: str) -> int:
        return len(text) // 2

    with TestServer(QuestionsOf([path]), count_tokens=other_tokenizer, delay_s=0.01) as server:
        some = {p.id for p in passages[:40]}
        list(writer(server, ledger, asked=some).write(passages))
        input_before, output_before = server.counts.input_tokens, server.counts.output_tokens
        writing = writer(server, ledger)
        expected = estimate(writing, passages)
        assert (expected.n_calls, expected.n_found, expected.n_learned_from) == (40, 40, 40)
        assert expected.price_usd is None
        assert expected.seconds is not None
        assert expected.seconds > 0
        list(writing.write(passages))
        n_input = server.counts.input_tokens - input_before
        n_output = server.counts.output_tokens - output_before
    assert expected.input_tokens == pytest.approx(n_input, rel=0.05)
    assert expected.output_tokens == pytest.approx(n_output, rel=0.25)


def test_too_few_answers_correct_nothing(ledger: Ledger, lyft: tuple[Path, list[Passage]]) -> None:
    _, passages = lyft
    with TestServer(count_tokens=lambda text: 7) as server:
        before = estimate(writer(server, ledger), passages[MIN_CALLS:])
        some = {p.id for p in passages[: MIN_CALLS - 2]}
        list(writer(server, ledger, asked=some).write(passages))
        rest = {p.id for p in passages[MIN_CALLS:]}
        after = estimate(writer(server, ledger, asked=rest | some), passages)
    assert after.n_learned_from == 0
    assert after.input_tokens == pytest.approx(before.input_tokens, rel=0.05)


def test_only_what_was_chosen_is_estimated(
    ledger: Ledger, lyft: tuple[Path, list[Passage]]
) -> None:
    _, passages = lyft
    with TestServer() as server:
        writing = writer(server, ledger, asked={p.id for p in passages[:5]})
        assert estimate(writing, passages).n_calls == 5
        assert estimate(writing, []).input_tokens == 0


def test_a_request_is_counted_with_its_frames_and_schema() -> None:
    plain = ChatRequest("", "How long is leave?")
    assert request_tokens(plain) == estimate_tokens(plain.user) + 4
    schema = {"type": "object", "properties": {"questions": {"type": "array"}}}
    full = request_tokens(ChatRequest("Be brief.", plain.user, schema))
    assert full == request_tokens(plain) + 4 + estimate_tokens("Be brief.") + estimate_tokens(
        json.dumps(schema)
    )


def test_answers_in_other_languages_and_with_longer_questions_are_longer() -> None:
    plan = plan_questions("leave", 3)
    assert answer_tokens(3, plan, "de") > answer_tokens(3, plan, "en")
    assert answer_tokens(2, (), "en") == 4 + 2 * (33 + 5)
