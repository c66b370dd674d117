"""What a language model would be asked, and what that would cost, before anything is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from homing.llm.prices import BATCH_FACTOR, READ_ON, price_of
from homing.pipeline.llm_writing import QUESTIONS_PER_PASSAGE
from homing.pipeline.plan_types import EXTRACTIVE, Writing
from homing.settings import WriteSettings
from homing.types import Passage

if TYPE_CHECKING:
    from homing.llm.provider import Provider

CALL_S = 2.0
"""Assumed of one call: it depends on the model, and on the day."""
N_COUNTED = 400


@dataclass(frozen=True, slots=True)
class _Unasked:
    """A provider's name where no call is made: no key is asked for."""

    name: str


def writing_of(settings: WriteSettings, passages: Sequence[Passage]) -> Writing:
    """Return what writing takes for a passage, as the settings want it.

    Args:
        passages: Some of the corpus, in its order.

    Raises:
        UsageError: The prompt is none.
    """
    if not settings.is_language_model:
        return Writing(EXTRACTIVE)
    some = passages[:N_COUNTED]
    tokens_in, tokens_out = _tokens(settings, some)
    price = settings.price or price_of(settings.writer, settings.base_url)
    factor = BATCH_FACTOR if settings.batch else 1.0
    usd = None
    if price is not None:
        usd = factor * (tokens_in * price[0] + tokens_out * price[1]) / 1e6
    said = (
        f"{tokens_in:,.0f} tokens in and {tokens_out:,.0f} out a call, by writing/estimating.py; "
        f"prices of {'write.price' if settings.price else f'llm/prices.py, {READ_ON}'}; "
        f"{CALL_S:g} s a call assumed, {settings.max_concurrency} at once"
    )
    return Writing(settings.writer, usd, CALL_S / settings.max_concurrency, said)


def _tokens(settings: WriteSettings, passages: Sequence[Passage]) -> tuple[float, float]:
    """Return the mean tokens of one call, in and out."""
    from homing.llm.ledger import Ledger
    from homing.writing.estimating import estimate
    from homing.writing.llm import LLMWriter
    from homing.writing.prompts import load_prompt

    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "none.sqlite") as ledger:
        writer = LLMWriter(
            cast("Provider", _Unasked(settings.writer)),
            ledger,
            prompt=load_prompt(settings.prompt),
            questions_per_passage=settings.questions_per_passage or QUESTIONS_PER_PASSAGE,
            seed=settings.seed,
            neighbours=settings.neighbours,
        )
        found = estimate(writer, passages)
    n_calls = max(1, found.n_calls)
    return found.input_tokens / n_calls, found.output_tokens / n_calls
