"""Everything a test server can be told about how to behave."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from homing.llm.testing.answers import Answerer, MadeUp
from homing.llm.testing.asked import TokenCounter, count_tokens
from homing.llm.testing.faults import Faults
from homing.llm.testing.vectors import Embedder, HashVectors

BatchOutcome = Literal["completed", "failed", "expired"]
UNSUPPORTED = (
    "json_schema",
    "json_object",
    "text",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "output_config",
    "tools",
    "models",
    "batches",
    "dimensions",
    "encoding_format",
)
IGNORABLE = ("json_schema", "json_object", "output_config", "dimensions", "encoding_format")


@dataclass(kw_only=True)
class Behaviour:
    """How a server behaves; the default is a flawless one that answers at once.

    Attributes:
        answerer: Makes the answers.
        faults: What goes wrong; see `Faults`.
        delay_s: From a request to its answer.
        jitter: Share of the delay by which it varies either way, in [0, 1].
        max_concurrent: With so many answers at work, the next request gets a 429.
        max_per_second: The same for requests within the last second.
        retry_after_s: What every 429 asks to wait; None leaves the header out of those of a limit.
        api_key: The only key that is let in; None lets everyone in.
        models: The only models that there are; empty for any.
        unsupported: Of `UNSUPPORTED`, what is answered by 400, or 404 for whole paths.
        ignores: Of `IGNORABLE`, what is passed over in silence, as some local servers do.
        checks_schemas: Refuse schemas that the real APIs refuse.
        batch_s: From the making of a batch to its end.
        batch_outcomes: How the first batches end; later ones are completed.
        max_batch_lines: A batch of more requests fails.
        count_tokens: Counts the tokens of a text.
        embedder: Makes the vectors of texts.
        max_inputs: More texts than this in one call for vectors are refused.
        max_input_tokens: A text to embed of more tokens is refused.
    """

    answerer: Answerer = field(default_factory=MadeUp, kw_only=False)
    faults: Faults = field(default_factory=Faults)
    delay_s: float = 0.0
    jitter: float = 0.0
    max_concurrent: int | None = None
    max_per_second: int | None = None
    retry_after_s: float | None = 1.0
    api_key: str | None = field(default=None, repr=False)
    models: Sequence[str] = ()
    unsupported: Collection[str] = ()
    ignores: Collection[str] = ()
    checks_schemas: bool = True
    batch_s: float = 0.0
    batch_outcomes: Sequence[BatchOutcome] = ()
    max_batch_lines: int = 50_000
    count_tokens: TokenCounter = count_tokens
    embedder: Embedder = field(default_factory=HashVectors)
    max_inputs: int | None = None
    max_input_tokens: int | None = None

    def __post_init__(self) -> None:
        for given, known in ((self.unsupported, UNSUPPORTED), (self.ignores, IGNORABLE)):
            if unknown := set(given) - set(known):
                raise ValueError(f"Unknown abilities {sorted(unknown)}; known are {list(known)}.")
