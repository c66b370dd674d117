"""Vectors from an OpenAI-compatible embeddings endpoint, which are paid for once.

Texts go out in batches of about equal size, many calls at once, as many as the server takes. The
vectors of a call are in the ledger the moment they arrive, each under the hash of what was asked
(server, model, length of vector, text); only what is not there is asked for. A killed job loses
the calls under way at most. Cost: one commit a call.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from homing.llm import wire
from homing.llm.dispatch import run_loop
from homing.llm.embedding_calls import Calls
from homing.llm.ledger import Ledger
from homing.llm.openai import server_url
from homing.llm.openai_embeddings import OpenAIEmbedder
from homing.llm.prices import price_of
from homing.llm.tokens import estimate_tokens
from homing.llm.tries import Limits
from homing.progress import say, track
from homing.types import FloatArray

BATCH = 128
PROBE = "How long is a vector of this model?"
LIMITS = Limits(max_concurrency=16)
WORTH_SAYING_USD = 0.01


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """How an endpoint is asked.

    Attributes:
        base_url: None takes OPENAI_BASE_URL, or OpenAI's own.
        dimensions: Length of vector to ask for; None takes the model's own.
        batch: Most texts in a call.
        query_prompt: What is put before each question.
        passage_prompt: What is put before each passage.
        price: Dollars for a million tokens; None takes what is known of the model.
        ledger: The file that keeps the vectors; None keeps none.
        limits: How hard to try.
    """

    base_url: str | None = None
    dimensions: int | None = None
    batch: int = BATCH
    query_prompt: str = ""
    passage_prompt: str = ""
    price: float | None = None
    ledger: Path | None = None
    limits: Limits = LIMITS


class EndpointEncoder:
    """An `Encoder` over an endpoint; vectors are normalised here, whatever the server does.

    Attributes:
        key: Hash of server, model, length of vector and prompts.
        dimensions: Length of each vector.
        name: "openai:text-embedding-3-small".
        usd_per_million: Dollars for a million tokens; None where no price is known.
    """

    def __init__(self, model: str, settings: EndpointSettings | None = None) -> None:
        """Ask for one vector, unless the ledger has it.

        So it is known how long vectors are, and a wrong key, model or address is found out.

        Raises:
            ProviderError: The endpoint answers nothing; the message names the remedy.
            UsageError: The base URL is none, or the ledger cannot be read.
            MissingDependencyError: Without the extra `llm`.
        """
        self._settings = settings or EndpointSettings()
        self._model = model
        self._is_asked_anew = False
        self.name = f"openai:{model}"
        url = server_url(self._settings.base_url)
        self._asked = (f"{wire.address_of(url)}{urlsplit(url).path}", model)
        self._prices = price_of(self.name, self._settings.base_url)
        if self._settings.price is not None:
            self._prices = (self._settings.price, 0.0)
        self.usd_per_million = None if self._prices is None else self._prices[0]
        self.dimensions = self._settings.dimensions or 0
        self.dimensions = self._encode([PROBE], "", "Asking the endpoint").shape[1]
        prompts = (self._settings.query_prompt, self._settings.passage_prompt)
        self.key = _digest(*self._asked, str(self.dimensions), *prompts).hex()

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each question, float32 (n, `dimensions`)."""
        return self._encode(texts, self._settings.query_prompt, "Embedding questions")

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each passage, float32 (n, `dimensions`)."""
        return self._encode(texts, self._settings.passage_prompt, "Embedding passages")

    def asking_anew(self) -> EndpointEncoder:
        """Return the same endpoint, which is asked for every text; the ledger keeps these calls.

        For timing: what the ledger answers says nothing about the endpoint.
        """
        fresh = copy.copy(self)
        fresh._is_asked_anew = True
        return fresh

    def seconds_alone(self, questions: Sequence[str]) -> list[float]:
        """Return how long the endpoint takes for each of some different questions, asked alone.

        One after another over a connection that is kept, as an application would; the ledger
        keeps these calls and answers none of them.

        Raises:
            ProviderError: The endpoint does not answer.
        """
        texts = [self._settings.query_prompt + text or " " for text in questions]
        missing = {self._key_of(text): text for text in texts}
        limits = replace(self._settings.limits, max_concurrency=1)
        path = self._settings.ledger
        with nullcontext(None) if path is None else Ledger(path) as ledger:
            return self._ask(missing, ledger, "Timing the endpoint", limits, batch=1).seconds

    def _key_of(self, text: str) -> bytes:
        return _digest(*self._asked, str(self._settings.dimensions), text)

    def _encode(self, texts: Sequence[str], prompt: str, title: str) -> FloatArray:
        # OpenAI takes no empty text, and a blank means no more.
        asked = [prompt + text or " " for text in texts]
        keys = [self._key_of(text) for text in asked]
        path = self._settings.ledger
        with nullcontext(None) if path is None else Ledger(path) as ledger:
            found: dict[bytes, FloatArray] = {}
            if ledger is not None and not self._is_asked_anew:
                found = self._fitting(ledger.find_vectors(keys))
            missing = {k: t for k, t in zip(keys, asked, strict=True) if k not in found}
            if missing:
                limits, batch = self._settings.limits, self._settings.batch
                found |= self._ask(missing, ledger, title, limits, batch=batch).vectors
        vectors = np.empty((len(keys), self.dimensions or _length(found)), dtype=np.float32)
        for row, key in enumerate(keys):
            vectors[row] = found[key]
        return vectors

    def _fitting(self, found: dict[bytes, FloatArray]) -> dict[bytes, FloatArray]:
        """Return the kept vectors of the right length; others are of a model served before."""
        if not self.dimensions:
            return found
        return {key: vector for key, vector in found.items() if len(vector) == self.dimensions}

    def _ask(
        self,
        missing: dict[bytes, str],
        ledger: Ledger | None,
        title: str,
        limits: Limits,
        *,
        batch: int,
    ) -> Calls:
        self._announce(missing)
        embedder = OpenAIEmbedder(
            self._model,
            base_url=self._settings.base_url,
            timeout_s=limits.timeout_s,
            ledger=ledger,
        )
        with track(title, len(missing)) as task:
            calls = Calls(
                embedder,
                missing,
                ledger,
                limits,
                task,
                asked_dimensions=self._settings.dimensions,
                dimensions=self.dimensions,
                batch=batch,
                per_million=self._prices,
            )
            run_loop(calls.all())
        if n := calls.n_shortened:
            were = "1 text was" if n == 1 else f"{n:,} texts were"
            say(f"{were} longer than {self.name} takes, and cut in half until taken.")
        return calls

    def _announce(self, missing: dict[bytes, str]) -> None:
        """Say what is about to be spent, if it is worth saying."""
        if not self.usd_per_million:
            return
        n_tokens = sum(map(estimate_tokens, missing.values()))
        usd = n_tokens * self.usd_per_million / 1e6
        if usd >= WORTH_SAYING_USD:
            say(f"{self.name}: {len(missing):,} texts, about {n_tokens:,} tokens, about ${usd:.2f}")


def _length(found: dict[bytes, FloatArray]) -> int:
    return len(next(iter(found.values()))) if found else 0


def _digest(*parts: str) -> bytes:
    """Return 32 bytes that depend on every part and on where one part ends."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.digest()
