"""What well-known models cost, in dollars for a million tokens.

A table out of a package grows old: the setting `write.price` goes before it, and a model that is
not in it has no price rather than a wrong one. What the providers' pages said on `READ_ON`, for
the standard tier and prompts below their thresholds for long ones; reasoning is output. Models
whose price was a promotion (gpt-5.6-sol) are left out.
"""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import urlsplit

READ_ON = "2026-11-24"
"""developers.openai.com/api/docs/pricing and platform.claude.com/docs, by way of copies."""
PRICES: dict[str, dict[str, tuple[float, float]]] = {
    "openai": {
        "gpt-6.1-sol": (2.00, 10.00),
        "gpt-6.1-terra": (1.00, 5.00),
        "gpt-6-astra": (10.00, 50.00),
        "gpt-6-sol": (2.00, 10.00),
        "gpt-6-luna": (0.10, 0.50),
        "gpt-5.6-terra": (2.00, 12.00),
        "gpt-5.6-luna": (0.20, 1.20),
        "gpt-5.5": (5.00, 30.00),
        "gpt-5.4": (2.50, 15.00),
        "gpt-5.4-mini": (0.75, 4.50),
        "gpt-5.4-nano": (0.20, 1.25),
        "gpt-5.2": (1.75, 14.00),
        "gpt-5.1": (1.25, 10.00),
        "gpt-5": (1.25, 10.00),
        "gpt-5-mini": (0.25, 2.00),
        "gpt-5-nano": (0.05, 0.40),
        "gpt-4.1": (2.00, 8.00),
        "gpt-4.1-mini": (0.40, 1.60),
        "gpt-4.1-nano": (0.10, 0.40),
        "gpt-4o": (2.50, 10.00),
        "gpt-4o-mini": (0.15, 0.60),
        "gpt-3.5-turbo": (0.50, 1.50),
        "o3": (2.00, 8.00),
    },
    "anthropic": {
        "claude-fable-5": (10.00, 50.00),
        "claude-fable-5-1": (10.00, 50.00),
        "claude-opus-5-5": (4.00, 20.00),
        "claude-opus-5": (5.00, 25.00),
        "claude-opus-4-8": (5.00, 25.00),
        "claude-opus-4-7": (5.00, 25.00),
        "claude-opus-4-6": (5.00, 25.00),
        "claude-opus-4-5": (5.00, 25.00),
        "claude-opus-4-1": (15.00, 75.00),
        "claude-sonnet-5-5": (2.00, 10.00),
        "claude-sonnet-5": (2.00, 10.00),
        "claude-sonnet-4-6": (3.00, 15.00),
        "claude-sonnet-4-5": (3.00, 15.00),
        "claude-haiku-5-5": (0.10, 0.50),
        "claude-haiku-4-5": (1.00, 5.00),
    },
}
EMBEDDING_PRICES: dict[str, dict[str, float]] = {
    "openai": {
        "text-embedding-3-small": 0.02,
        "text-embedding-3-large": 0.13,
        "text-embedding-ada-002": 0.10,
    },
}
"""Of models that give vectors, which are no output that costs."""
BATCH_FACTOR = 0.5
"""Both providers ask half for what can wait a day."""
DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
OWN_HOSTS = {"openai": ".openai.com", "anthropic": ".anthropic.com"}


def price_of(provider: str, base_url: str | None = None) -> tuple[float, float] | None:
    """Return dollars for a million (input, output) tokens, None where they are not known.

    (0.0, 0.0) for a model on this machine or in its network. Known models served by somebody
    else have no known price.

    Args:
        provider: "openai:gpt-5-mini"; a date behind the name makes no difference.
        base_url: Where the model is served, if not at its maker's or where the environment says.
    """
    kind, _, model = provider.partition(":")
    base_url = base_url or os.environ.get(f"{kind.upper()}_BASE_URL")
    if kind == "local" or is_nearby(base_url):
        return 0.0, 0.0
    host = f".{urlsplit(base_url).hostname or ''}" if base_url else OWN_HOSTS.get(kind, "")
    if not host.endswith(OWN_HOSTS.get(kind, "none")):
        return None
    embedding = EMBEDDING_PRICES.get(kind, {}).get(model)
    if embedding is not None:
        return embedding, 0.0
    models = PRICES.get(kind, {})
    return models.get(model, models.get(DATED.sub("", model)))


def is_nearby(base_url: str | None) -> bool:
    """Tell whether a URL leads to this machine or its private network, where nobody bills."""
    host = urlsplit(base_url).hostname if base_url else None
    if not host:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    return address.is_loopback or address.is_private or address.is_unspecified
