"""What a job would cost before anything is sent: calls, tokens, dollars, time.

Every request is made as it would be asked, and looked up in the ledger. Tokens of at most some
`MAX_COUNTED` requests are counted, evenly spread, and the rest is in proportion to their length.
Once the ledger holds `MIN_CALLS` answers to these very requests, what the provider counted for
them corrects the estimate. Cost: linear, some 0.2 to 0.4 ms a passage, and 0.5 ms
for each counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from homing.llm.ledger import Call
from homing.llm.provider import ChatRequest
from homing.llm.tokens import estimate_tokens
from homing.writing.llm import LLMWriter, PlannedRequest
from homing.writing.neighbours import Passages
from homing.writing.planning import PlannedQuestion

MIN_CALLS = 20
"""The mean of so many answers is within some 10 % of that of all."""
MAX_COUNTED = 4000
MAX_LEARNED = 1000
"""So many answered requests are counted whatever comes after them."""
MESSAGE_TOKENS = 4
"""What the frame around a message costs."""
QUESTION_TOKENS = {"short": 7, "medium": 15, "long": 28}
"""The middle of the words that the prompt states for each length, at 1.2 tokens an English word,
as counted on people's questions (XQuAD)."""
OTHER_LANGUAGE = 1.25
"""The same questions in German and Chinese have so many more tokens than in English."""
UNPLANNED_TOKENS = 33
"""Mean of gpt-3.5-turbo's questions for a quiz about annual reports."""
ANSWER_FRAME, PLANNED_FRAME, UNPLANNED_FRAME = 4, 10, 5
"""Tokens of the JSON around all questions, and around one with and without its kind."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is still to be asked, and what it takes.

    Attributes:
        n_calls: Requests that are still to be asked.
        n_found: Requests that the ledger answers, or that it lists as given up.
        input_tokens: Of all calls.
        output_tokens: Of all calls. Models that think before they answer bill more than the plan
            says, until there are answers to learn from.
        price_usd: None where the price of the model is not known.
        seconds: From the time that earlier calls took; None while there are too few.
        n_learned_from: Answers in the ledger that corrected the estimate; 0 for none.
    """

    n_calls: int
    n_found: int
    input_tokens: int
    output_tokens: int
    price_usd: float | None
    seconds: float | None
    n_learned_from: int = 0


def estimate(writer: LLMWriter, passages: Passages, *, price_factor: float = 1.0) -> Estimate:
    """Return what `writer.write(passages)` would ask for, without asking.

    Answers that turn out to be of no use and are asked for again are not foreseen.

    Args:
        price_factor: What the writer's price is taken times, such as 0.5 for batches.
    """
    tally = _tally(writer, passages)
    input_tokens, output_tokens = tally.input_tokens(), tally.output_tokens()
    price = None
    if writer.per_million is not None:
        dollars = input_tokens * writer.per_million[0] + output_tokens * writer.per_million[1]
        price = price_factor * dollars / 1_000_000
    return Estimate(
        n_calls=tally.n_calls,
        n_found=tally.n_found,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        price_usd=price,
        seconds=tally.seconds(writer.limits.max_concurrency),
        n_learned_from=tally.n_learned_from,
    )


def request_tokens(request: ChatRequest) -> int:
    """Return about how many tokens a request has: messages, their frames and the schema."""
    schema = "" if request.schema is None else json.dumps(request.schema, ensure_ascii=False)
    n_messages = 2 if request.system else 1
    fixed = _tokens_once(request.system) + _tokens_once(schema)
    return fixed + estimate_tokens(request.user) + MESSAGE_TOKENS * n_messages


def answer_tokens(n_questions: int, plan: Iterable[PlannedQuestion], language: str) -> float:
    """Return about how many tokens an answer has.

    Args:
        plan: What was asked for; empty for a prompt without a plan.
        language: Two-letter code of the questions, or "".
    """
    frames, words = UNPLANNED_FRAME * n_questions, UNPLANNED_TOKENS * n_questions
    if planned := list(plan):
        frames = PLANNED_FRAME * n_questions
        words = sum(QUESTION_TOKENS[question.length] for question in planned)
    return ANSWER_FRAME + frames + words * (1.0 if language in ("en", "") else OTHER_LANGUAGE)


class _Tally:
    """Sums over the requests, those found and those to be asked."""

    def __init__(self, *, every: int) -> None:
        self.n_calls = self.n_found = 0
        self._every = every
        self._n_characters = self._n_characters_counted = self._n_tokens_counted = 0
        self._n_answer_tokens = 0.0
        self._n_learnable = 0
        self._learned = _Learned()

    def add_call(self, request: PlannedRequest, *, uses_plan: bool) -> None:
        """Note a request that is to be asked."""
        asked = request.wanted.request
        n_characters = len(asked.system) + len(asked.user)
        self._n_characters += n_characters
        if self.n_calls % self._every == 0:
            self._n_characters_counted += n_characters
            self._n_tokens_counted += request_tokens(asked)
        plan = request.plan if uses_plan else ()
        self._n_answer_tokens += answer_tokens(len(request.plan), plan, request.language)
        self.n_calls += 1

    def add_found(self, request: ChatRequest, call: Call) -> None:
        """Note a request that was answered, and what the provider counted."""
        self.n_found += 1
        if call.usable:
            if self._n_learnable < MAX_LEARNED or self._n_learnable % self._every == 0:
                self._learned.add(call, request_tokens(request))
            self._n_learnable += 1

    @property
    def n_learned_from(self) -> int:
        return self._learned.n if self._learned.n >= MIN_CALLS else 0

    def input_tokens(self) -> int:
        """Return the input tokens of the calls that are to be made."""
        if not self._n_characters_counted:
            return 0
        tokens = self._n_tokens_counted * self._n_characters / self._n_characters_counted
        if self.n_learned_from:
            tokens *= self._learned.input_tokens / self._learned.estimated
        return round(tokens)

    def output_tokens(self) -> int:
        """Return the output tokens of the calls that are to be made."""
        if self.n_learned_from:
            return round(self.n_calls * self._learned.output_tokens / self._learned.n)
        return round(self._n_answer_tokens)

    def seconds(self, max_concurrency: int) -> float | None:
        """Return how long the calls take, None if it is not known how long one takes."""
        if not self.n_calls:
            return 0.0
        if not (self.n_learned_from and self._learned.seconds):
            return None
        mean = self._learned.seconds / self._learned.n
        return mean * max(1.0, self.n_calls / max_concurrency)


def _tally(writer: LLMWriter, passages: Passages) -> _Tally:
    """Return the sums over all requests that `writer` would make."""
    tally = _Tally(every=max(1, len(passages) // MAX_COUNTED))
    keys: set[str] = set()
    for request in writer.requests(passages):
        key = request.wanted.key
        call = writer.ledger.find(key)
        if key in keys:  # asked once for both
            tally.n_found += 1
        elif call is not None and (call.usable or _is_given_up(writer, key)):
            tally.add_found(request.wanted.request, call)
        else:
            tally.add_call(request, uses_plan=writer.prompt.uses_plan)
        keys.add(key)
    return tally


class _Learned:
    """What the provider counted for requests that were answered, beside their estimates."""

    def __init__(self) -> None:
        self.n = self.input_tokens = self.output_tokens = self.estimated = 0
        self.seconds = 0.0

    def add(self, call: Call, estimated: int) -> None:
        """Note one answer."""
        self.n += 1
        self.input_tokens += call.answer.input_tokens
        self.output_tokens += call.answer.output_tokens
        self.seconds += call.answer.seconds
        self.estimated += estimated


def _is_given_up(writer: LLMWriter, key: str) -> bool:
    """Tell whether a request was answered in vain so often that it is not asked again."""
    return not writer.again and writer.ledger.n_unusable(key) >= writer.limits.max_unusable


@lru_cache(maxsize=64)
def _tokens_once(text: str) -> int:
    """Return the tokens of a text that is the same in all requests."""
    return estimate_tokens(text)
