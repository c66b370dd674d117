"""A causal language model on this machine, through transformers: no server, no price.

Asks that wait are answered together, like lengths in one batch, by the one thread that holds the
model; the event loop is never blocked. Every request samples from its own seed, so that an answer
does not depend on which others were in its batch, up to the rounding of the arithmetic, which
may differ with the shape of a batch. Cost: one forward pass for a prompt, one more for each token.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from homing.llm.local_model import CausalModel, Prompt, Reply, free_memory
from homing.llm.provider import ChatAnswer, ChatRequest, RequestRefused, TransientFailure
from homing.types import content_id

BATCH_CPU = 8
BATCH_GPU = 32
GATHER_S = 0.02
"""How long the first of a batch waits for company: asks of one moment do not arrive at once."""


@dataclass(slots=True)
class _Waiting:
    """An ask that the worker thread has not answered yet."""

    request: ChatRequest
    answer: Future[ChatAnswer] = field(default_factory=Future)
    asked: float = field(default_factory=time.monotonic)

    @property
    def length(self) -> int:
        """Characters, which sort well enough to batch like with like."""
        return len(self.request.user)


class LocalProvider:
    """Asks a causal model with weights on this machine; equal requests get equal answers.

    So a request whose answer was of no use need not be asked again.

    Attributes:
        name: "local:" and the model as it was given.
        context_tokens: Most tokens of request and answer together; None when the model has none.
        batch_size: How many asks are answered together; asking twice as many at once keeps it busy.
    """

    def __init__(self, model: str, *, seed: int = 0, device: str | None = None) -> None:
        """Load the model; this takes seconds and, for one not yet in the cache, a download.

        Args:
            model: A folder, or an id at the hub, whose local cache is asked first.
            seed: Another one gives other answers, where answers are sampled at all.
            device: "cpu", "cuda", "mps"; None takes the best there is.

        Raises:
            ModelNotFoundError: The model cannot be had, or it does not write text.
            MissingDependencyError: transformers is not installed.
        """
        self.name = f"local:{model}"
        self._seed = seed
        self._model: CausalModel | None = CausalModel(model, device)
        self.context_tokens = self._model.context_tokens
        self.batch_size = BATCH_CPU if self._model.device == "cpu" else BATCH_GPU
        self._asks: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
        self._thread.start()

    async def ask(self, request: ChatRequest) -> ChatAnswer:
        """Return the answer, sampled at the request's temperature or, without one, at the model's.

        A schema is put into the instructions as text: nothing keeps the model to it.

        Raises:
            RequestRefused: The request leaves no room in the model's context for an answer.
            TransientFailure: The provider was closed before the answer was there.
        """
        ask = _Waiting(request)
        self._asks.put(ask)
        if self._closing.is_set():
            raise self._closed()
        return await asyncio.wrap_future(ask.answer)

    async def close(self) -> None:
        """Stop what is being written and give the memory back."""
        self._closing.set()
        self._asks.put(None)
        await asyncio.to_thread(self._thread.join)
        if self._model is not None:
            self._model = None
            free_memory()

    def _work(self) -> None:
        for batch in _batches(self._asks, self.batch_size):
            wanted = [ask for ask in batch if ask.answer.set_running_or_notify_cancel()]
            try:
                self._answer(wanted)
            except BaseException as error:  # it is raised again where the answer is awaited
                for ask in wanted:
                    if not ask.answer.done():
                        ask.answer.set_exception(error)

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        assert self._model is not None
        fitting = []
        for ask in batch:
            request = ask.request
            ids = self._model.token_ids(request.system, request.user, request.schema)
            if self.context_tokens is not None and len(ids) >= self.context_tokens:
                ask.answer.set_exception(self._too_long(len(ids)))
                continue
            # The seed comes from what is asked, not from the folder that the model lies in.
            seed = int(content_id(str(self._seed), request.key("local")), 16)
            prompt = Prompt(ids, request.max_tokens, request.temperature, seed)
            fitting.append((ask, prompt))
        replies = self._write([prompt for _, prompt in fitting])
        if self._closing.is_set():  # what was being written is cut off
            raise self._closed()
        for (ask, prompt), reply in zip(fitting, replies, strict=True):
            seconds = time.monotonic() - ask.asked
            n_in, n_out = len(prompt.ids), reply.n_tokens
            ask.answer.set_result(ChatAnswer(reply.text, reply.finish, n_in, n_out, seconds))

    def _write(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """Return the replies, in smaller batches where the memory is too small for all."""
        import torch

        assert self._model is not None
        if not prompts or self._closing.is_set():
            return []
        try:
            return self._model.write(prompts, stopped=self._closing.is_set)
        except torch.OutOfMemoryError:
            if len(prompts) == 1:
                raise
        free_memory()
        half = len(prompts) // 2
        return self._write(prompts[:half]) + self._write(prompts[half:])

    def _too_long(self, n_tokens: int) -> RequestRefused:
        return RequestRefused(
            f"The request has {n_tokens:,} tokens, and {self.name} takes {self.context_tokens:,} "
            "with the answer. Use shorter passages, or a model with a longer context."
        )

    def _closed(self) -> TransientFailure:
        return TransientFailure("connection", f"{self.name} was closed before it answered.")


def _batches(asks: queue.SimpleQueue[_Waiting | None], size: int) -> Iterator[list[_Waiting]]:
    """Yield what waits until None comes: whoever waited longest, with those of about its length."""
    waiting: list[_Waiting] = []
    ended = False
    while waiting or not ended:
        ended = _gather(asks, waiting, size) or ended
        if waiting:
            first = waiting[0].length
            others = range(1, len(waiting))
            like = sorted(others, key=lambda i: abs(waiting[i].length - first))
            chosen = {0, *like[: size - 1]}
            yield [waiting[i] for i in sorted(chosen)]
            waiting = [ask for i, ask in enumerate(waiting) if i not in chosen]


def _gather(asks: queue.SimpleQueue[_Waiting | None], waiting: list[_Waiting], size: int) -> bool:
    """Add to `waiting` what has come, waiting a moment for a full batch; True when None came."""
    if not waiting:
        first = asks.get()
        if first is None:
            return True
        waiting.append(first)
    until = time.monotonic() + GATHER_S
    while True:
        patience = until - time.monotonic() if len(waiting) < size else 0.0
        try:
            ask = asks.get(timeout=max(0.0, patience))
        except queue.Empty:
            return False
        if ask is None:
            return True
        waiting.append(ask)
