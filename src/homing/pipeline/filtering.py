"""Which written questions are worth keeping: every filter in its turn, each on its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from homing.curation.copied import drop_copied
from homing.curation.filters import filter_questions
from homing.curation.repeated import drop_repeated
from homing.curation.roundtrip import Found, Key, find_passages, keep_found_again, key_of
from homing.pipeline.judging import Judge
from homing.types import Encoder, Passage, Qrel, Question, Rejection

Filtered = tuple[list[Question], list[Rejection]]

OFFLINE_WRITER = "extractive"
ROUND_TRIP = 20
CHEAP_SCORES = 100_000_000
"""So many scores, of a question and a passage, are a matter of seconds by BM25 alone."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked of written questions; the fields are settings of curation.

    Attributes:
        round_trip: None takes `ROUND_TRIP` for language models' questions, 0 for offline ones.
    """

    round_trip: int | None = None
    copied: float = 0.5
    near_duplicate: float = 0.9

    def round_trip_of(self, question: Question) -> int:
        """Return among how many passages a question must find its own again; 0 for any."""
        if self.round_trip is not None:
            return self.round_trip
        return ROUND_TRIP if is_modelled(question) else 0


def reason_for_whole(
    filters: Filters, writers: Collection[str], *, has_judge: bool, has_given: bool
) -> str:
    """Return what needs all passages and questions in memory at once; "" for nothing.

    Form, repetitions, copied text and the split are decided on digests and numbers, whatever the
    size. A search over the whole corpus, likeness by vectors, a judge's verdicts and the match of
    given questions are not: they need the texts together.

    Args:
        writers: Who wrote questions.
        has_judge: Whether a judge is in force.
        has_given: Whether people's questions were given.
    """
    has_modelled = any(writer != OFFLINE_WRITER for writer in writers)
    round_trip = filters.round_trip
    if has_given:
        return "matching given questions"
    if round_trip or (round_trip is None and has_modelled):
        return "the round trip"
    if has_modelled and filters.near_duplicate < 1:
        return "comparing a language model's questions"
    return "the judge" if has_modelled and has_judge else ""


@dataclass(frozen=True, slots=True)
class FilterStep:
    """One filter: how many questions there were before and after it, and why some are gone.

    Attributes:
        filter: "form", "copied", "near_duplicate", "round_trip" or "judge".
        reasons: Reason code -> how many.
    """

    filter: str
    n_in: int
    n_out: int
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class Sifted:
    """What the filters left.

    Attributes:
        questions: Those worth keeping, in their order.
        rejections: One for each other question, in the order of the steps.
        steps: The filters that ran; those that a question is not asked let it pass.
        found: Where a search found the passages of those that were searched for.
        answers: Further passages that a judge found to answer; see `find_answers`.
    """

    questions: list[Question]
    rejections: list[Rejection]
    steps: list[FilterStep]
    found: Mapping[Key, Found] = field(default_factory=dict)
    answers: Sequence[Qrel] = ()


def filter_written(
    questions: Sequence[Question],
    passages: Sequence[Passage],
    groups: Mapping[str, str],
    filters: Filters,
    *,
    encoder: Callable[[], Encoder],
    judge: Judge | None = None,
) -> Sifted:
    """Return the questions worth keeping, and a rejection for each other one.

    Form is asked of all. Copied text, likeness, the round trip by the base model fused with BM25
    and the judge are for language models' questions alone: what the offline writer copies,
    training hides. A round trip that is asked for holds for the offline writer, too, by BM25 alone.

    Args:
        encoder: Loads the base model; called only if there is something to embed.
        judge: None leaves out the judge and with it further answers.

    Raises:
        ProviderError: The judge will answer no call at all.
    """
    by_id = {passage.id: passage for passage in passages}
    base_model = cache(encoder)
    sieve = _Sieve(questions)
    sieve.take("form", filter_questions(questions, by_id, groups))
    if filters.copied < 1:
        sieve.shake("copied", lambda some: drop_copied(some, by_id, most=filters.copied))
    if judge and sieve.modelled:
        judge.try_out(sieve.modelled, by_id)
    if filters.near_duplicate < 1:
        threshold = filters.near_duplicate
        sieve.shake(
            "near_duplicate", lambda some: drop_repeated(some, base_model(), threshold=threshold)
        )
    needs_others = judge is not None and judge.several_answers > 0
    found = _search(sieve, passages, groups, filters, base_model, needs_others=needs_others)
    if any(map(filters.round_trip_of, sieve.left)):
        sieve.take("round_trip", _keep_found_again(sieve.left, found, filters))
    answers: list[Qrel] = []
    if judge and sieve.modelled:
        assessed = judge.assess(sieve.modelled, found, by_id)
        sieve.shake("judge", lambda _: (assessed.kept, assessed.rejections))
        answers = assessed.answers
    rest = [question for question in sieve.left if key_of(question) not in found]
    if is_cheap_search(len(rest), len(passages)):
        found |= find_passages(rest, passages, groups)
    return Sifted(sieve.left, sieve.rejections, sieve.steps, found, answers)


def is_cheap_search(n_questions: int, n_passages: int) -> bool:
    """Tell whether so many questions are searched for only to see which are too easy."""
    return 0 < n_questions * n_passages <= CHEAP_SCORES


def is_modelled(question: Question) -> bool:
    """Tell whether a language model wrote a question, not the offline writer."""
    return question.writer != OFFLINE_WRITER


def _search(
    sieve: _Sieve,
    passages: Sequence[Passage],
    groups: Mapping[str, str],
    filters: Filters,
    base_model: Callable[[], Encoder],
    *,
    needs_others: bool,
) -> dict[Key, Found]:
    """Return where the questions find their passages, of those that have to.

    Args:
        needs_others: Whether what language models' questions find besides is wanted.
    """
    found: dict[Key, Found] = {}
    modelled = [q for q in sieve.modelled if needs_others or filters.round_trip_of(q)]
    if modelled:
        found |= find_passages(modelled, passages, groups, encoder=base_model())
    offline = [q for q in sieve.left if not is_modelled(q) and filters.round_trip_of(q)]
    if offline:
        found |= find_passages(offline, passages, groups)
    return found


def _keep_found_again(
    questions: Sequence[Question], found: Mapping[Key, Found], filters: Filters
) -> Filtered:
    """Return the questions that find their passage again, or need not, and the others rejected."""
    stay: set[int] = set()
    dropped: list[Rejection] = []
    wanted = [filters.round_trip_of(question) for question in questions]
    for k in sorted(set(wanted)):
        some = [q for q, of_it in zip(questions, wanted, strict=True) if of_it == k]
        kept, lost = keep_found_again(some, found, k=k) if k else (some, [])
        stay |= set(map(id, kept))
        dropped += lost
    return [question for question in questions if id(question) in stay], dropped


class _Sieve:
    """The questions that are left, in their order, and what became of the others so far."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.left = list(questions)
        self.rejections: list[Rejection] = []
        self.steps: list[FilterStep] = []

    @property
    def modelled(self) -> list[Question]:
        """The questions of language models that are left."""
        return [question for question in self.left if is_modelled(question)]

    def shake(self, name: str, drop: Callable[[list[Question]], Filtered]) -> None:
        """Pass on what a filter leaves of language models' questions, and all other ones."""
        modelled = self.modelled
        if not modelled:
            return
        kept, dropped = drop(modelled)
        gone = set(map(id, modelled)) - set(map(id, kept))
        self.take(name, ([q for q in self.left if id(q) not in gone], dropped))

    def take(self, name: str, filtered: Filtered) -> None:
        """Pass on what a filter left of all the questions."""
        left, dropped = filtered
        if self.left:
            reasons = dict(Counter(rejection.reason for rejection in dropped))
            self.steps.append(FilterStep(name, len(self.left), len(left), reasons))
        self.left = left
        self.rejections += dropped
