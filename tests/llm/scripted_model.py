"""A language model that replies by a script, and the asking of it, for the dispatcher's tests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator

from homing.llm.dispatch import Asked, Limits, Wanted, ask_all
from homing.llm.ledger import Ledger
from homing.llm.provider import ChatAnswer, ChatRequest

Reply = ChatAnswer | Exception
Script = Callable[[str, int], Reply]
"""What is replied to a passage that is asked about for the n-th time, from 1."""
PRICE = (1.0, 10.0)
"""An answer of `good` costs 0.0012 dollars."""


def good(passage: str = "") -> ChatAnswer:
    return ChatAnswer(f"What about {passage}?", "stop", 1000, 20)


class Model:
    """A language model that replies by a script; implements `Provider`."""

    name = "openai:test"

    def __init__(self, script: Script = lambda passage, n: good(passage), delay_s: float = 0.0):
        self.script = script
        self.delay_s = delay_s
        self.asked: Counter[str] = Counter()
        self.requests: list[ChatRequest] = []
        self.n_now = self.n_most = 0

    async def ask(self, request: ChatRequest) -> ChatAnswer:
        self.asked[request.user] += 1
        self.requests.append(request)
        n = self.asked[request.user]
        self.n_now += 1
        self.n_most = max(self.n_most, self.n_now)
        try:
            await asyncio.sleep(self.delay_s)
            reply = self.script(request.user, n)
        finally:
            self.n_now -= 1
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def close(self) -> None:
        pass


def wanted(passages: list[str] | int, max_tokens: int = 64) -> Iterator[Wanted]:
    names = [f"passage {n}" for n in range(passages)] if isinstance(passages, int) else passages
    for name in names:
        request = ChatRequest("You write questions.", name, None, max_tokens)
        yield Wanted(name, name, request)


def is_question(answer: ChatAnswer) -> bool:
    return answer.text.endswith("?")


QUICK = Limits(max_concurrency=8, backoff_s=0.0005, timeout_s=5.0)


def ask(
    model: Model,
    passages: list[str] | int | Iterator[Wanted],
    ledger: Ledger,
    limits: Limits = QUICK,
    *,
    budget_usd: float | None = None,
    spent_usd: float = 0.0,
    again: bool = False,
) -> Asked:
    items = passages if isinstance(passages, Iterator) else wanted(passages)
    return ask_all(
        model,
        items,
        ledger,
        purpose="write",
        understand=is_question,
        limits=limits,
        per_million=PRICE,
        budget_usd=budget_usd,
        spent_usd=spent_usd,
        again=again,
    )
