"""How a model behind an embeddings endpoint is written: openai:MODEL[?OPTIONS]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from homing.errors import UsageError
from homing.llm.embedding import BATCH, EndpointEncoder, EndpointSettings

PREFIX = "openai:"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an OpenAI-compatible embeddings endpoint.

    Attributes:
        base_url: None takes that of the job.
        dimensions: Length of vector to ask for; None asks for none.
        batch: Most texts in a call; None takes the encoder's own.
        price: Dollars for a million tokens; None takes what is known.
        query_prompt: What is put before each question; None takes what the model's family wants.
        passage_prompt: The same, before each passage.
    """

    model: str
    base_url: str | None = None
    dimensions: int | None = None
    batch: int | None = None
    price: float | None = None
    query_prompt: str | None = None
    passage_prompt: str | None = None

    def encoder(
        self,
        *,
        query_prompt: str,
        passage_prompt: str,
        base_url: str | None,
        ledger: Path | None,
    ) -> EndpointEncoder:
        """Return its encoder; one vector is asked for.

        Args:
            query_prompt: What the model's family wants before a question.
            passage_prompt: And before a passage.
            base_url: Where it answers if it names no address of its own.
            ledger: The file that keeps the vectors; None keeps none.

        Raises:
            ProviderError: The endpoint answers nothing.
            MissingDependencyError: Without the extra `llm`.
        """
        return EndpointEncoder(
            self.model,
            EndpointSettings(
                base_url=self.base_url or base_url,
                dimensions=self.dimensions,
                batch=self.batch or BATCH,
                query_prompt=query_prompt if self.query_prompt is None else self.query_prompt,
                passage_prompt=(
                    passage_prompt if self.passage_prompt is None else self.passage_prompt
                ),
                price=self.price,
                ledger=ledger,
            ),
        )


def is_endpoint(text: str) -> bool:
    """Return whether a model is named as one behind an endpoint."""
    return text.strip().lower().startswith(PREFIX)


def read_endpoint(text: str) -> Endpoint:
    """Return what "openai:MODEL[?OPTIONS]" says.

    Raises:
        UsageError: If it names no model, or an option that there is not.
    """
    model, _, query = text.strip()[len(PREFIX) :].partition("?")
    options: dict[str, Any] = {}
    for item in query.split("&") if query else ():
        name, equals, raw = item.partition("=")
        read = _OPTIONS.get(name.strip())
        value = read(unquote(raw)) if read and equals else None
        if read is None or value is None:
            shown = item if read else name  # a key may have been tried
            raise UsageError(
                f"{shown!r} of openai:{model} is no option of an endpoint. There are dimensions "
                "and batch (whole numbers), price (dollars for a million tokens), base_url, "
                "query_prompt and passage_prompt; a key goes into OPENAI_API_KEY: "
                "openai:text-embedding-3-small?dimensions=256&batch=128"
            )
        options[name.strip()] = value
    if not model.strip():
        raise UsageError(
            f"{text!r} names no model. Write it behind the colon: openai:text-embedding-3-small"
        )
    return Endpoint(model.strip(), **options)


def number_within(text: str, kind: Callable[[str], Any], least: float, most: float) -> Any:
    """Return a number within bounds, None for anything else."""
    try:
        value = kind(text)
    except ValueError:
        return None
    return value if least <= value <= most else None


def _address(url: str) -> str:
    """Return a base URL, which may be written to files.

    Raises:
        UsageError: It is none, or holds a password.
    """
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # of a bracket without its other
        is_good = False
    if not is_good:
        raise UsageError(f"{url!r} is no base URL. Give one such as http://localhost:8000/v1.")
    if parts.username or parts.password:
        raise UsageError(
            f"The base URL at {parts.hostname} holds a password, and specs are written to files. "
            "Use OPENAI_API_KEY."
        )
    return url


_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "base_url": lambda text: _address(text.strip()),
    "dimensions": lambda text: number_within(text, int, 1, 100_000),
    "batch": lambda text: number_within(text, int, 1, 100_000),
    "price": lambda text: number_within(text, float, 0, 1e6),
    "query_prompt": str,
    "passage_prompt": str,
}
