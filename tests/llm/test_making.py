"""A provider from its name, and what is said where there can be none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homing.errors import ModelNotFoundError, UsageError
from homing.llm.ledger import Ledger
from homing.llm.making import make_provider, parse_spec
from homing.llm.provider import ProviderError


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("openai:gpt-5-mini", ("openai", "gpt-5-mini")),
        ("OpenAI: qwen3:8b ", ("openai", "qwen3:8b")),
        ("local:Qwen/Qwen2.5-0.5B-Instruct", ("local", "Qwen/Qwen2.5-0.5B-Instruct")),
    ],
)
def test_a_name_is_a_kind_and_a_model(spec: str, expected: tuple[str, str]) -> None:
    assert parse_spec(spec) == expected


@pytest.mark.parametrize("spec", ["gpt-5-mini", "openai", "openai:", "azure:gpt-5-mini", ""])
def test_a_name_that_is_none_is_answered_with_examples(spec: str, ledger: Ledger) -> None:
    with pytest.raises(UsageError, match=r"openai:gpt-5-mini, anthropic:claude"):
        make_provider(spec, base_url=None, ledger=ledger)


@pytest.mark.parametrize(
    ("spec", "variable"),
    [("openai:gpt-5-mini", "OPENAI_API_KEY"), ("anthropic:claude-haiku-4-5", "ANTHROPIC_API_KEY")],
)
def test_a_missing_key_is_named_with_how_to_set_it(
    spec: str, variable: str, ledger: Ledger
) -> None:
    with pytest.raises(ProviderError, match=f"{variable} is not set.*export {variable}="):
        make_provider(spec, base_url=None, ledger=ledger)


@pytest.mark.parametrize("spec", ["openai:qwen3-8b", "anthropic:claude-haiku-4-5"])
def test_a_server_of_ones_own_needs_no_key(spec: str, ledger: Ledger) -> None:
    assert make_provider(spec, base_url="http://localhost:8000/v1", ledger=ledger).name == spec


def test_a_key_with_a_line_break_in_it_is_refused_and_not_shown(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\nsk-other")
    with pytest.raises(ProviderError, match="OPENAI_API_KEY holds characters") as caught:
        make_provider("openai:gpt-5-mini", base_url=None, ledger=ledger)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://localhost/v1", "http://"])
def test_a_base_url_that_is_none_is_answered_with_an_example(url: str, ledger: Ledger) -> None:
    with pytest.raises(UsageError, match=r"http://localhost:11434/v1"):
        make_provider("openai:qwen3-8b", base_url=url, ledger=ledger)


def test_a_local_model_has_no_base_url(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match=r"openai:Qwen/Qwen3-0\.6B"):
        make_provider("local:Qwen/Qwen3-0.6B", base_url="http://localhost:8000/v1", ledger=ledger)


@pytest.mark.slow
def test_a_local_model_that_is_not_there_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(ModelNotFoundError):
        make_provider("local:/no/such/folder", base_url=None, ledger=ledger)
