"""A language model as the judge of what another one wrote: scores, and further answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

from homing.curation.answers import MOST, answer_requests, find_answers
from homing.curation.judging import RUBRIC, THRESHOLD, Judged, judge, judge_requests
from homing.curation.roundtrip import Found, Key
from homing.llm.dispatch import Asked, Wanted
from homing.llm.prices import price_of
from homing.llm.provider import ProviderError
from homing.pipeline.job import Job, plural
from homing.pipeline.language_models import LanguageModel, Price, language_model
from homing.settings import Settings
from homing.types import Passage, Qrel, Question, Rejection


class Assessed(NamedTuple):
    """What a judge made of some questions.

    Attributes:
        answers: Further passages that answer, with their grades; see `find_answers`.
    """

    kept: list[Question]
    rejections: list[Rejection]
    answers: list[Qrel]


class Judge:
    """Scores questions and grades passages; what it answers is kept in the model's ledger.

    Args:
        model: Best another one than wrote.
        threshold: Questions with fewer points, of 1 to 10, are rejected.
        several_answers: Most candidates for a further answer to a question; 0 for none.
        budget_usd: Most dollars for questions and candidates, earlier runs included.
        again: Whether what was given up as unusable is asked again.

    Attributes:
        n_unjudged: Questions and candidates about which no verdict was to be had.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        threshold: int = THRESHOLD,
        several_answers: int = MOST,
        budget_usd: float | None = None,
        again: bool = False,
    ) -> None:
        self.several_answers = several_answers
        self.n_unjudged = 0
        self._model = model
        self._threshold = threshold
        self._budget_usd = budget_usd
        self._again = again
        self._asked: list[Asked] = []

    @property
    def name(self) -> str:
        """Which model judges."""
        return self._model.provider.name

    @property
    def summary(self) -> dict[str, Any]:
        """What became of the calls of this run, as JSON-able values."""
        spent = [asked.spent for asked in self._asked]
        is_priced = not any(s.n_unpriced for s in spent)
        return {
            "name": self.name,
            "n_unjudged": self.n_unjudged,
            "stopped_by_budget": any(asked.stopped_by_budget for asked in self._asked),
            "n_calls": sum(s.n_calls for s in spent),
            "input_tokens": sum(s.input_tokens for s in spent),
            "output_tokens": sum(s.output_tokens for s in spent),
            "price_usd": sum(s.price_usd for s in spent) if is_priced else None,
        }

    def try_out(self, questions: Sequence[Question], passages: Mapping[str, Passage]) -> None:
        """Judge one question if none has a verdict yet, so that what is wrong shows at once.

        The verdict is kept like any other.

        Raises:
            ProviderError: The judge will answer no call at all.
            UsageError: There is a budget but no price.
        """
        if not any(self._has_judged(question, passages) for question in questions):
            spent_usd = self._spent_before(judge_requests(questions, passages, self.name))
            self._judge(questions[:1], passages, spent_usd)

    def assess(
        self,
        questions: Sequence[Question],
        found: Mapping[Key, Found],
        passages: Mapping[str, Passage],
    ) -> Assessed:
        """Return the questions that are good enough, and further passages that answer these.

        What cannot be judged is kept, and is no further answer.

        Args:
            found: From `find_passages`, of at least these questions; may be empty where no further
                answers are asked for.
            passages: Passage id -> passage, the whole corpus.

        Raises:
            ProviderError: The judge will answer no call at all.
            UsageError: There is a budget but no price.
        """
        most = self.several_answers
        wanted = judge_requests(questions, passages, self.name)
        if most:
            more = answer_requests(questions, found, passages, self.name, most=most)
            wanted = chain(wanted, more)
        spent_usd = self._spent_before(wanted)
        kept, rejections, n_unjudged, asked = self._judge(questions, passages, spent_usd)
        self.n_unjudged = n_unjudged
        if not most:
            return Assessed(kept, rejections, [])
        answers = find_answers(
            kept,
            found,
            passages,
            most=most,
            **self._asking(spent_usd + asked.spent.price_usd),
        )
        self._asked.append(answers.asked)
        self.n_unjudged += answers.n_unjudged
        return Assessed(kept, rejections, answers.qrels)

    def _has_judged(self, question: Question, passages: Mapping[str, Passage]) -> bool:
        passage = passages.get(question.passage_id)
        found = passage and RUBRIC.find(question, passage, self.name, self._model.ledger)
        return found is not None

    def _judge(
        self, questions: Sequence[Question], passages: Mapping[str, Passage], spent_usd: float
    ) -> Judged:
        judged = judge(questions, passages, threshold=self._threshold, **self._asking(spent_usd))
        self._asked.append(judged.asked)
        return judged

    def _asking(self, spent_usd: float) -> dict[str, Any]:
        """Return how the judge is asked, as `judge` and `find_answers` want to be told."""
        return {
            "provider": self._model.provider,
            "ledger": self._model.ledger,
            "limits": self._model.limits,
            "per_million": self._model.per_million,
            "budget_usd": self._budget_usd,
            "spent_usd": spent_usd,
            "again": self._again,
        }

    def _spent_before(self, wanted: Iterable[Wanted]) -> float:
        """Return what these requests have cost so far; 0.0 with no budget, when nobody asks."""
        ledger = self._model.ledger
        if self._budget_usd is None or not ledger.spent(provider=self.name).n_calls:
            return 0.0
        spent = 0.0
        for key in {item.key for item in wanted}:
            call = ledger.find(key)
            if call is not None and call.price_usd is not None:
                spent += call.price_usd * (ledger.n_unusable(key) + call.usable)
        return spent


@contextmanager
def open_judge(job: Job, *, again: bool = False) -> Iterator[Judge | None]:
    """Give the judge that the settings name, None where they name none.

    Raises:
        ProviderError: It will answer no call at all: from here, and from the block.
        UsageError: Its name or its URL is none.
    """
    settings = job.settings.curate
    if settings.judge is None:
        yield None
        return
    base_url = judge_base_url(job.settings)
    price = _price(job.settings, base_url)
    try:
        with language_model(job, settings.judge, base_url, price) as model:
            yield Judge(
                model,
                threshold=settings.judge_threshold,
                several_answers=settings.several_answers,
                budget_usd=judge_budget(job.settings),
                again=again,
            )
    except ProviderError as error:
        remedy = str(error).replace("--base-url", "--judge-base-url")
        raise ProviderError(f"The judge {settings.judge} cannot be asked. {remedy}") from error


def describe_judged(summary: Mapping[str, Any]) -> str:
    """Return what a judge took and left, such as "judge: 310 calls at $0.12", from its summary."""
    price = summary["price_usd"]
    text = f"judge: {plural(summary['n_calls'], 'call')}" + (f" at ${price:,.2f}" if price else "")
    if not summary["n_unjudged"]:
        return text
    remedy = "try them again with homing curate WORKSPACE --retry-failed"
    if summary["stopped_by_budget"]:
        remedy = "the budget is used up"
    return f"{text}, {summary['n_unjudged']:,} without a verdict ({remedy})"


def judge_in_force(settings: Settings) -> dict[str, Any]:
    """Return what decides the verdicts beside the settings of curation; {} without a judge."""
    if settings.curate.judge is None:
        return {}
    base_url, budget = judge_base_url(settings), judge_budget(settings)
    price = None if budget is None else _price(settings, base_url)
    return {"judge_base_url": base_url, "judge_budget": budget, "judge_price": price}


def judge_base_url(settings: Settings) -> str | None:
    """Return where the judge answers, None for where the environment says, or its maker's.

    A server that was given for the writer serves a judge of the same kind: what somebody keeps
    on a machine of their own must not go elsewhere because one option was forgotten.
    """
    write, judge = settings.write, settings.curate.judge
    if settings.curate.judge_base_url is not None or judge is None:
        return settings.curate.judge_base_url
    is_same_kind = write.is_language_model and _kind(write.writer) == _kind(judge)
    return write.base_url if is_same_kind else None


def judge_budget(settings: Settings) -> float | None:
    """Return the most dollars that judging may cost, None for no limit."""
    return settings.curate.judge_budget or settings.write.budget


def _price(settings: Settings, base_url: str | None) -> Price | None:
    """Return the judge's price: what is known of it, else what was said of the writer's."""
    write, judge = settings.write, settings.curate.judge
    assert judge is not None
    if (write.writer, write.base_url) == (judge, base_url):
        return write.price or price_of(judge, base_url)
    return price_of(judge, base_url) or write.price


def _kind(spec: str) -> str:
    return spec.partition(":")[0]
