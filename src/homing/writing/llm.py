"""The writer that asks a language model: one call a passage, none paid for twice.

Two passes over the passages. The first makes the requests, one at a time as the dispatcher wants
them, and their answers go into the ledger. The second reads the ledger in the order of the
passages, so that the questions are the same bytes however the calls were ordered, interrupted or
spread over several runs. Passages are read one after the other, none is held. Memory: a key of 8
bytes a passage. Cost beside the calls: some 0.2 ms a passage, twice that where its language is
guessed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homing.context_phrases import without_context_phrases
from homing.language import guess_language
from homing.llm.dispatch import Asked, Limits, Wanted, ask_all
from homing.llm.ledger import Ledger
from homing.llm.provider import ChatAnswer, ChatRequest, Provider
from homing.types import Passage, Question, Rejection
from homing.writing.neighbours import Passages, with_neighbours
from homing.writing.parsing import ParsedQuestion, ParsingError, parse_questions
from homing.writing.planning import (
    FALLBACK_KIND,
    PlannedQuestion,
    normalised_shares,
    plan_questions,
)
from homing.writing.prompts import Prompt, language_name
from homing.writing.rejecting import rejection_of_failure, rejection_of_reply

PURPOSE = "write"
MAX_TOKENS = 1024
"""Room that models which think before they answer need; what is not used costs nothing."""
MAX_TOKENS_PER_QUESTION = 128
Ask = Callable[..., Asked]
"""`ask_all`, or what has its signature, such as a provider's batch service."""
KEY_BYTES = 8


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """What is asked about one passage; `item_id` is the passage's id."""

    wanted: Wanted
    plan: tuple[PlannedQuestion, ...]
    language: str


class LLMWriter:
    """Writes questions with a language model; implements `Writer`.

    Args:
        prompt: From `load_prompt`.
        questions_per_passage: How many each call asks for; a model may write fewer.
        seed: Decides kinds, lengths, personas and which examples are shown.
        shares: Kind -> weight; None takes the defaults of `planning`.
        examples: Real questions, as an example of style.
        n_examples: How many of them each call shows, drawn anew for every passage.
        neighbours: Whether the model sees what stands before and after the passage.
        languages: Document id -> two-letter code; others are guessed from the passage.
        asked: Ids of the passages to ask about; None for all.
        limits: How hard to try; None takes the dispatcher's.
        per_million: Dollars for a million (input, output) tokens; None if not known.
        budget_usd: Most dollars that this job may cost, what it cost in earlier runs included.
        again: Whether what was given up is asked again.
        ask: How the requests are asked.

    Attributes:
        summary: Counts of the last `write`, once it is done; see there.
    """

    def __init__(
        self,
        provider: Provider,
        ledger: Ledger,
        *,
        prompt: Prompt,
        questions_per_passage: int = 2,
        seed: int = 0,
        shares: Mapping[str, float] | None = None,
        examples: Sequence[str] = (),
        n_examples: int = 3,
        neighbours: bool = True,
        languages: Mapping[str, str] | None = None,
        asked: Collection[str] | None = None,
        limits: Limits | None = None,
        per_million: tuple[float, float] | None = None,
        budget_usd: float | None = None,
        again: bool = False,
        ask: Ask = ask_all,
    ) -> None:
        self.name = provider.name
        self.ledger = ledger
        self.prompt = prompt
        self.questions_per_passage = questions_per_passage
        self.limits = limits or Limits()
        self.per_million = per_million
        self.again = again
        self.summary: dict[str, Any] = {}
        self._provider = provider
        self._seed = seed
        self._shares = normalised_shares(shares)
        self._examples = tuple(e for e in examples if e.strip())
        self._n_examples = n_examples
        self._neighbours = neighbours
        self._languages = languages or {}
        self._asked = None if asked is None else frozenset(asked)
        self._budget_usd = budget_usd
        self._ask = ask
        # One object for all requests: providers compile a schema when they first see it.
        self._schema = prompt.answer_schema(questions_per_passage, tuple(self._shares))
        self._max_tokens = MAX_TOKENS + MAX_TOKENS_PER_QUESTION * questions_per_passage

    def write(self, passages: Passages) -> Iterator[Question | Rejection]:
        """Yield the questions, and a rejection for each passage that was asked about in vain.

        Reasons: "unparseable" (the raw reply is its text), "refused" and "gave_up". Passages that
        were not asked about, by choice or for want of budget, are counted in `summary`, which holds
        `n_passages`, `n_asked` (that were to be asked about), `n_found` (in the ledger before),
        `n_answered`, `n_unusable`, `n_failed`, `n_not_asked`, `n_questions`, `stopped_by_budget`,
        and of this run alone `n_calls`, `input_tokens`, `output_tokens`, `price_usd` and `seconds`.

        Args:
            passages: The whole corpus in its order, also what is not asked about: neighbours.

        Raises:
            ProviderError: The provider will answer no request; the remedy is in its message.
        """
        self.summary = {}
        n_asked = len(passages) if self._asked is None else sum(map(self._is_asked, passages))
        keys, result = self._ask_about(passages, n_asked)
        summary = _summary(result) | {"n_passages": len(passages), "n_asked": n_asked}
        summary |= {"n_not_asked": len(passages) - n_asked, "n_questions": 0}
        known = iter(keys)
        for before, passage, after in with_neighbours(passages):
            if not self._is_asked(passage):
                continue
            # Where the money ran out the dispatcher may not have come this far; an earlier run may.
            key = next(known, "") or self._request(before, passage, after).wanted.key
            items = self._outcome(passage, key)
            summary["n_not_asked"] += not items
            summary["n_questions"] += sum(isinstance(item, Question) for item in items)
            yield from items
        self.summary = summary

    def requests(self, passages: Iterable[Passage]) -> Iterator[PlannedRequest]:
        """Yield what is to be asked, made one at a time, in the order of the passages."""
        for before, passage, after in with_neighbours(passages):
            if self._is_asked(passage):
                yield self._request(before, passage, after)

    def spent_usd(self, passages: Iterable[Passage]) -> float:
        """Return what the requests about these passages cost in earlier runs; 0.0 with no budget.

        Answers of no use count as much as the answer that the ledger shows for the same request.
        """
        # Without a budget nobody asks, and an empty ledger need not be searched.
        if self._budget_usd is None or not self.ledger.spent(provider=self.name).n_calls:
            return 0.0
        spent = 0.0
        for key in {request.wanted.key for request in self.requests(passages)}:
            call = self.ledger.find(key)
            if call is not None and call.price_usd is not None:
                spent += call.price_usd * (self.ledger.n_unusable(key) + call.usable)
        return spent

    def _ask_about(self, passages: Passages, n_asked: int) -> tuple[_Keys, Asked]:
        """Return the keys of the requests that were made, and what became of them."""
        keys = _Keys()

        def wanted() -> Iterator[Wanted]:
            for request in self.requests(passages):
                keys.append(request.wanted.key)
                yield request.wanted

        result = self._ask(
            self._provider,
            wanted(),
            self.ledger,
            purpose=PURPOSE,
            understand=self._understands,
            limits=self.limits,
            per_million=self.per_million,
            budget_usd=self._budget_usd,
            spent_usd=self.spent_usd(passages),
            again=self.again,
            title="Asking for questions",
            total=n_asked,
        )
        return keys, result

    def _is_asked(self, passage: Passage) -> bool:
        return self._asked is None or passage.id in self._asked

    def _request(
        self, before: Passage | None, passage: Passage, after: Passage | None
    ) -> PlannedRequest:
        plan = self._plan(passage)
        language = self._languages.get(passage.document_id) or guess_language(passage.text)
        system, user = self.prompt.render(
            passage.text,
            title=passage.title,
            document_title=passage.heading_path[0] if passage.heading_path else "",
            heading_path=passage.heading_path,
            previous=self._shown_neighbour(passage, before),
            next=self._shown_neighbour(passage, after),
            language=language_name(language),
            plan=plan,
            examples=self._shown_examples(passage),
        )
        request = ChatRequest(system, user, self._schema, self._max_tokens)
        return PlannedRequest(Wanted(request.key(self.name), passage.id, request), plan, language)

    def _plan(self, passage: Passage) -> tuple[PlannedQuestion, ...]:
        n = self.questions_per_passage
        return plan_questions(passage.id, n, seed=self._seed, shares=self._shares)

    def _shown_neighbour(self, passage: Passage, other: Passage | None) -> str:
        """Return the text of a neighbour in the same document, "" where there is none."""
        if not self._neighbours or other is None or other.document_id != passage.document_id:
            return ""
        return other.text

    def _shown_examples(self, passage: Passage) -> list[str]:
        n = min(self._n_examples, len(self._examples))
        generator = random.Random(f"{self._seed}/examples/{passage.id}")
        return [self._examples[i] for i in generator.sample(range(len(self._examples)), n)]

    def _understands(self, answer: ChatAnswer) -> bool:
        try:
            parse_questions(answer.text, self.questions_per_passage)
        except ParsingError:
            return False
        return True

    def _outcome(self, passage: Passage, key: str) -> list[Question] | list[Rejection]:
        """Return the questions of a passage or its rejection; empty if it was not asked about."""
        call = self.ledger.find(key)
        if call is not None and call.usable:
            parsed = parse_questions(call.answer.text, self.questions_per_passage)
            return self._questions(passage, parsed)
        failed = self.ledger.failure(key)
        if failed is not None:
            return [rejection_of_failure(passage, failed)]
        return [] if call is None else [rejection_of_reply(passage, call)]

    def _questions(self, passage: Passage, parsed: Sequence[ParsedQuestion]) -> list[Question]:
        plan = self._plan(passage)
        allowed = {planned.kind for planned in plan} | {FALLBACK_KIND}
        questions = []
        for found, planned in zip(parsed, plan, strict=False):
            kind = found.kind if found.kind in allowed else planned.kind
            kind = kind if self.prompt.uses_plan else self.prompt.kind
            text = without_context_phrases(found.text, passage.text)
            questions.append(Question(text, passage.id, kind, self.name, prompt=self.prompt.name))
        return questions


class _Keys:
    """Keys in the order in which they came, packed."""

    def __init__(self) -> None:
        self._packed = bytearray()

    def append(self, key: str) -> None:
        self._packed += bytes.fromhex(key)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self._packed), KEY_BYTES):
            yield self._packed[start : start + KEY_BYTES].hex()


def _summary(result: Asked) -> dict[str, Any]:
    return {
        "n_found": result.n_found,
        "n_answered": result.n_answered,
        "n_unusable": result.n_unusable,
        "n_failed": result.n_failed,
        "stopped_by_budget": result.stopped_by_budget,
        "n_calls": result.spent.n_calls,
        "input_tokens": result.spent.input_tokens,
        "output_tokens": result.spent.output_tokens,
        "price_usd": None if result.spent.n_unpriced else result.spent.price_usd,
        "seconds": result.seconds,
    }
