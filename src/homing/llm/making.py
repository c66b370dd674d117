"""A provider from its name in the settings: "openai:gpt-5-mini"."""

from __future__ import annotations

from homing.errors import UsageError
from homing.llm.ledger import Ledger
from homing.llm.provider import Provider

KINDS = ("openai", "anthropic", "local")
EXAMPLES = "openai:gpt-5-mini, anthropic:claude-haiku-4-5 or local:Qwen/Qwen2.5-0.5B-Instruct"


def parse_spec(spec: str) -> tuple[str, str]:
    """Return kind and model of a name such as "openai:gpt-5-mini".

    Raises:
        UsageError: It is no such name.
    """
    kind, colon, model = spec.strip().partition(":")
    kind, model = kind.lower(), model.strip()
    if kind not in KINDS or not colon or not model:
        raise UsageError(
            f"{spec!r} names no language model. Write the kind ({', '.join(KINDS)}), a colon and "
            f"the model, such as {EXAMPLES}."
        )
    return kind, model


def make_provider(
    spec: str, *, base_url: str | None, ledger: Ledger, timeout_s: float = 120.0
) -> Provider:
    """Return the provider that a name stands for; nothing is sent yet.

    Args:
        spec: "openai:MODEL", "anthropic:MODEL" or "local:MODEL".
        base_url: Where the model is served, if not at its maker's.
        ledger: Remembers how servers want to be asked.
        timeout_s: For one call.

    Raises:
        UsageError: The name or the URL is none.
        ProviderError: There is no key.
        MissingDependencyError: The library for it is not installed.
        ModelNotFoundError: There is no such local model.
    """
    kind, model = parse_spec(spec)
    if kind == "openai":
        from homing.llm.openai import OpenAIProvider

        return OpenAIProvider(model, base_url=base_url, timeout_s=timeout_s, ledger=ledger)
    if kind == "anthropic":
        from homing.llm.anthropic import AnthropicProvider

        return AnthropicProvider(model, base_url=base_url, timeout_s=timeout_s, ledger=ledger)
    if base_url is not None:
        raise UsageError(
            f"{spec} runs in this process and has no base URL. Leave --base-url out, or name the "
            f"model as the server does: openai:{model}."
        )
    from homing.llm.local import LocalProvider

    return LocalProvider(model)
