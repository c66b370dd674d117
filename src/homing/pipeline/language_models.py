"""A language model that a job asks: its provider, what it costs, and the ledger of paid calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from homing.pipeline.job import Job, own_settings
from homing.pipeline.remote_ledger import LEDGER as LEDGER
from homing.settings import WriteSettings, load_settings
from homing.workspace import Workspace

if TYPE_CHECKING:
    from homing.llm.ledger import Ledger
    from homing.llm.provider import Provider
    from homing.llm.tries import Limits

Price = tuple[float, float]
"""Dollars for a million tokens in and out."""

LOCAL_CONCURRENCY = 16
LOCAL_TIMEOUT_S = 3600.0
"""A call to a model in this process waits its turn, which is no fault of the model."""


@dataclass(frozen=True)
class LanguageModel:
    """A model to ask, and all that asking takes; `per_million` is None where it is not known."""

    provider: Provider
    ledger: Ledger
    limits: Limits
    per_million: Price | None = None


@contextmanager
def language_model(
    job: Job, spec: str, base_url: str | None, per_million: Price | None
) -> Iterator[LanguageModel]:
    """Give the model of a name such as "openai:gpt-5-mini", as a job asks it.

    Raises:
        UsageError: The name or the URL is none, or the ledger cannot be read.
        ProviderError: There is no key.
    """
    with open_model(job.settings.write, ledger_path(job), spec, base_url, per_million) as model:
        yield model


@contextmanager
def open_model(
    settings: WriteSettings,
    ledger_file: Path,
    spec: str,
    base_url: str | None,
    per_million: Price | None,
) -> Iterator[LanguageModel]:
    """Give the model of a name; provider and ledger are closed after.

    Raises:
        UsageError: The name or the URL is none, or the ledger cannot be read.
        ProviderError: There is no key.
    """
    from homing.llm.ledger import Ledger

    with (
        Ledger(ledger_file) as ledger,
        model_with(ledger, settings, spec, base_url, per_million) as model,
    ):
        yield model


@contextmanager
def model_with(
    ledger: Ledger,
    settings: WriteSettings,
    spec: str,
    base_url: str | None,
    per_million: Price | None,
) -> Iterator[LanguageModel]:
    """Give the model of a name with a ledger that is open; the provider is closed after.

    Raises:
        UsageError: The name or the URL is none.
        ProviderError: There is no key.
    """
    from homing.llm.making import make_provider

    limits = limits_for(settings, spec)
    provider = make_provider(spec, base_url=base_url, ledger=ledger, timeout_s=limits.timeout_s)
    try:
        yield LanguageModel(provider, ledger, limits, per_million)
    finally:
        asyncio.run(provider.close())


def limits_for(settings: WriteSettings, spec: str) -> Limits:
    """Return how hard a model is tried.

    Raises:
        UsageError: The name is none.
    """
    from homing.llm.tries import Limits

    if is_local(spec):
        n_at_once = min(LOCAL_CONCURRENCY, settings.max_concurrency)
        return Limits(n_at_once, settings.max_tries, 1, LOCAL_TIMEOUT_S)
    return Limits(settings.max_concurrency, settings.max_tries, timeout_s=settings.timeout_s)


def is_local(spec: str) -> bool:
    """Tell whether a model runs in the process that asks it.

    Raises:
        UsageError: The name is none.
    """
    from homing.llm.making import parse_spec

    return parse_spec(spec)[0] == "local"


def ledger_path(job: Job) -> Path:
    """Return where the paid calls of a job are kept."""
    given = job.settings.write.ledger
    return Path(given).expanduser() if given else job.path(LEDGER)


def ledger_beside(source: str | Path, given: str | None, out: str | Path | None) -> Path | None:
    """Return where paid calls are kept: the file given, else the workspace's, else in `out`.

    A workspace's is the one that its own settings name, so that what it paid for is found.

    Raises:
        UsageError: The workspace's settings cannot be read.
    """
    if not given and (own := own_settings(source)) is not None:
        given = load_settings(own).write.ledger
    if given:
        return Path(given).expanduser()
    folder = source if Workspace.is_at(source) else out
    return None if folder is None else Path(folder) / LEDGER
