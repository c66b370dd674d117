"""What models cost, and what is not known about it."""

from __future__ import annotations

import pytest

from homing.llm.prices import PRICES, price_of


@pytest.fixture(autouse=True)
def _no_servers_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


def test_a_known_model_has_a_price_for_input_and_output() -> None:
    assert price_of("openai:gpt-5-mini") == (0.25, 2.0)
    assert price_of("anthropic:claude-haiku-4-5") == (1.0, 5.0)


@pytest.mark.parametrize(
    ("dated", "plain"),
    [
        ("openai:gpt-5-mini-2025-08-07", "openai:gpt-5-mini"),
        ("anthropic:claude-haiku-4-5-20251001", "anthropic:claude-haiku-4-5"),
    ],
)
def test_a_dated_name_costs_what_its_model_costs(dated: str, plain: str) -> None:
    assert price_of(dated) == price_of(plain) is not None


@pytest.mark.parametrize(
    "name", ["openai:gpt-5-mini-turbo", "openai:gpt-5.1-codex", "openai:", "x"]
)
def test_a_model_like_a_known_one_has_no_price_rather_than_a_wrong_one(name: str) -> None:
    assert price_of(name) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:11434/v1",
        "http://127.0.0.1:8000/v1",
        "http://[::1]:8000/v1",
        "http://192.168.1.7:1234/v1",
        "http://gpu-box.local:8000/v1",
        "http://0.0.0.0:8000/v1",
    ],
)
def test_a_server_on_this_machine_or_its_network_costs_nothing(url: str) -> None:
    assert price_of("openai:qwen3-8b", url) == (0.0, 0.0)


def test_a_model_in_this_process_costs_nothing() -> None:
    assert price_of("local:Qwen/Qwen2.5-0.5B-Instruct") == (0.0, 0.0)


def test_what_somebody_else_asks_for_a_known_model_is_not_known() -> None:
    assert price_of("openai:gpt-5-mini", "https://gateway.example.com/v1") is None
    assert price_of("openai:gpt-5-mini", "https://notopenai.com/v1") is None
    assert price_of("openai:gpt-5-mini", "https://eu.api.openai.com/v1") == (0.25, 2.0)


def test_a_server_named_by_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:11434/v1")
    assert price_of("openai:gpt-5-mini") == (0.0, 0.0)


def test_output_costs_more_than_input_everywhere() -> None:
    for models in PRICES.values():
        assert all(0 < taken_in < given_out for taken_in, given_out in models.values())


def test_vectors_cost_by_what_is_taken_in_alone() -> None:
    assert price_of("openai:text-embedding-3-small") == (0.02, 0.0)
    assert price_of("openai:text-embedding-3-small", "http://localhost:8000/v1") == (0.0, 0.0)
    assert price_of("openai:text-embedding-3-small", "https://gateway.example.com/v1") is None
