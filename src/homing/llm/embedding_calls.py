"""The calls that embed a number of texts: batches, tries, pauses, and what each brought."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping

from homing.llm.ledger import Ledger
from homing.llm.openai_embeddings import OpenAIEmbedder
from homing.llm.provider import (
    EmbeddingAnswer,
    EmbeddingRequest,
    ProviderError,
    RequestRefused,
    TransientFailure,
)
from homing.llm.tries import GRACE_S, Caller, Limits, Tries
from homing.progress import Task
from homing.types import FloatArray
from homing.vectors import normalised_exactly

BATCH_CHARACTERS = 200_000
"""Of the texts in one call: in no script more tokens than the 300,000 that OpenAI takes."""
TOO_MANY = re.compile(r"batch|per request|array|too many", re.I)
TOO_LONG = re.compile(r"too long|too large|length|maximum|tokens|context", re.I)
SHORTEST = 200
"""Characters of a text that is too long for no model."""

Batch = list[tuple[bytes, str]]


class Calls:
    """One way through the texts, in one event loop.

    Attributes:
        vectors: Key -> unit vector, of what was answered so far.
        n_shortened: Texts that the model took only after they were cut.
        seconds: From request to answer, of each call in the order of the answers.
    """

    def __init__(
        self,
        embedder: OpenAIEmbedder,
        wanted: Mapping[bytes, str],
        ledger: Ledger | None,
        limits: Limits,
        task: Task,
        *,
        asked_dimensions: int | None,
        dimensions: int,
        batch: int,
        per_million: tuple[float, float] | None,
    ) -> None:
        """Begin.

        Args:
            wanted: Key -> text.
            asked_dimensions: Length of vector to ask for, if any.
            dimensions: Length that vectors must have; 0 takes that of the first.
            batch: Most texts in a call.
            per_million: Dollars for a million tokens in and out, where they are known.
        """
        self.vectors: dict[bytes, FloatArray] = {}
        self.n_shortened = 0
        self.seconds: list[float] = []
        self._embedder = embedder
        self._ledger = ledger
        self._limits = limits
        self._task = task
        self._asked_dimensions = asked_dimensions
        self._dimensions = dimensions
        self._most_texts = batch
        self._per_million = per_million
        # Servers pad the texts of a call to the longest of them.
        self._pending = deque(sorted(wanted.items(), key=lambda item: len(item[1]), reverse=True))
        self._caller = Caller(embedder.name, limits)
        self._limiter = self._caller.limiter
        self._is_stopping = False
        self._n_answers = 0
        self._spent_usd = 0.0
        self._shortened: set[bytes] = set()

    async def all(self) -> None:
        """Embed every text.

        Raises:
            ProviderError: Some will not be had; what was answered is kept.
        """
        workers = {
            asyncio.create_task(self._work())
            for _ in range(min(self._limits.max_concurrency, len(self._pending)))
        }
        try:
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            for worker in done:
                worker.result()
        finally:
            await self._stop(workers)
        self.n_shortened = len(self._shortened)

    async def _stop(self, workers: set[asyncio.Task[None]]) -> None:
        """Let answers come that are nearly here, and cancel the rest."""
        self._is_stopping = True
        if any(not worker.done() for worker in workers):
            await asyncio.wait(workers, timeout=GRACE_S)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self._limiter.close()
        await self._embedder.close()

    async def _work(self) -> None:
        while self._pending and not self._is_stopping:
            await self._settle(self._next_batch())

    def _next_batch(self) -> Batch:
        batch = [self._pending.popleft()]
        n_characters = len(batch[0][1])
        while self._pending and len(batch) < self._most_texts:
            n_characters += len(self._pending[0][1])
            if n_characters > BATCH_CHARACTERS:
                break
            batch.append(self._pending.popleft())
        return batch

    async def _settle(self, batch: Batch) -> None:
        """Ask for a batch until it is answered, or its parts are."""
        tries = Tries(self._limits.max_tries, self._n_answers)
        while not self._is_stopping:
            turn = await self._limiter.turn()
            try:
                answer = await self._ask(batch)
            except TransientFailure as failure:
                self._caller.slow_down(turn, failure)
                if tries.are_used_up(failure, self._n_answers):
                    raise ProviderError(
                        f"{self._embedder.name} gave no vectors after {tries.n} tries: {failure} "
                        "Run the same command again: what was answered is kept."
                    ) from failure
                await self._caller.back_off(tries.n)
            except RequestRefused as refusal:
                self._limiter.give_back(turn)
                for part in self._parts(batch, refusal):
                    await self._settle(part)
                return
            except BaseException:  # raised again
                self._limiter.give_back(turn)
                raise
            else:
                self._limiter.answered(turn, answer.seconds)
                self._keep(batch, answer)
                return

    async def _ask(self, batch: Batch) -> EmbeddingAnswer:
        request = EmbeddingRequest(tuple(text for _, text in batch), self._asked_dimensions)
        return await self._caller.in_time(self._embedder.ask(request))

    def _keep(self, batch: Batch, answer: EmbeddingAnswer) -> None:
        """Keep the vectors of a call at once.

        Raises:
            ProviderError: They are not as long as they must be.
        """
        self._n_answers += 1
        self.seconds.append(answer.seconds)
        n_numbers = answer.vectors.shape[1]
        self._dimensions = self._dimensions or n_numbers
        if n_numbers != self._dimensions:
            raise ProviderError(self._wrong_length(n_numbers))
        unit = normalised_exactly(answer.vectors)
        keys = [key for key, _ in batch]
        price = None
        if self._per_million is not None:
            price = answer.input_tokens * self._per_million[0] / 1e6
            self._spent_usd += price
        if self._ledger is not None:
            kept = EmbeddingAnswer(unit, answer.input_tokens, answer.seconds)
            self._ledger.record_vectors(keys, kept, provider=self._embedder.name, price_usd=price)
        self.vectors.update(zip(keys, unit, strict=True))
        self._task.note(f"${self._spent_usd:.2f}" if self._spent_usd else "")
        self._task.advance(len(batch))

    def _wrong_length(self, n_numbers: int) -> str:
        if self._asked_dimensions == self._dimensions:
            return (
                f"{self._embedder.name} answers with vectors of {n_numbers} numbers where "
                f"{self._dimensions} were asked for: it does not know how to shorten them. Leave "
                "dimensions out."
            )
        return (
            f"{self._embedder.name} answers with vectors of {n_numbers} numbers now and of "
            f"{self._dimensions} before: more than one model answers under this name and address. "
            "Give each an address of its own, or move the ledger out of the way."
        )

    def _parts(self, batch: Batch, refusal: RequestRefused) -> list[Batch]:
        """Return what to ask for in place of a batch that was refused: halves, or a shorter text.

        Raises:
            ProviderError: A text is refused for another reason than its length.
        """
        if len(batch) > 1:
            half = len(batch) // 2
            if TOO_MANY.search(str(refusal)):
                self._most_texts = min(self._most_texts, half)
            return [batch[:half], batch[half:]]
        if self._asked_dimensions is not None and "dimension" in str(refusal).lower():
            raise ProviderError(
                f"{self._embedder.name} does not take dimensions={self._asked_dimensions}: "
                f"{refusal} Leave dimensions out, or ask for another length."
            )
        ((key, text),) = batch
        if len(text) <= SHORTEST or not TOO_LONG.search(str(refusal)):
            start = " ".join(text.split())[:60]
            raise ProviderError(
                f"{self._embedder.name} refuses the text that begins with {start!r}: {refusal}"
            )
        self._shortened.add(key)
        return [[(key, text[: len(text) // 2])]]
