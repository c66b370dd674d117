"""Other passages that answer a question as well: the rule in real documents, and then no mistake.

A search that ranks another passage above the one that a question was written about may be right. A
judge is asked about the first few of them. Cost: at most `MOST` calls a question, of a passage's
length, for the questions alone whose own passage is not first; kept in the ledger. Near-duplicates
of the own passage are no candidates: their group counts as one everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Unpack

from homing.curation.roundtrip import Found, Key, key_of
from homing.curation.rubrics import Rubric
from homing.llm.dispatch import Asked, AskOptions, Wanted
from homing.llm.ledger import Ledger
from homing.llm.provider import Provider
from homing.types import Passage, Qrel, Question, query_id

RUBRIC = Rubric("relevance", "relevance.v1", "grade", 0, 2)
MOST = 3
FULLY = 2


class MoreAnswers(NamedTuple):
    """Further passages that answer.

    Attributes:
        qrels: With grade 1 (partly) or 2 (fully); where a question has any, its own passage is in
            here, too, with grade 2, which is what the others were measured by.
        counts: Grade -> how many candidates got it.
        n_unjudged: Candidates about which no verdict was to be had.
        asked: What became of the calls.
    """

    qrels: list[Qrel]
    counts: Mapping[int, int]
    n_unjudged: int
    asked: Asked


def find_answers(
    questions: Sequence[Question],
    found: Mapping[Key, Found],
    passages: Mapping[str, Passage],
    *,
    provider: Provider,
    ledger: Ledger,
    most: int = MOST,
    **options: Unpack[AskOptions],
) -> MoreAnswers:
    """Return the passages that answer besides the ones that the questions were written about.

    Args:
        found: From `find_passages`, of at least these questions.
        passages: Passage id -> passage, the whole corpus.
        provider: The judge.
        most: Most candidates for a question, best first.
        options: See `ask_all`.

    Raises:
        ProviderError: The judge will answer no call at all.
        UsageError: There is a budget but no price.
    """
    asked = RUBRIC.ask(
        provider,
        answer_requests(questions, found, passages, provider.name, most=most),
        ledger,
        title="Judging other answers",
        total=sum(1 for _ in _candidates(questions, found, passages, most)),
        **options,
    )
    grades: dict[str, dict[str, int]] = {}
    counts: Counter[int] = Counter()
    n_unjudged = 0
    for question, passage in _candidates(questions, found, passages, most):
        verdict = RUBRIC.find(question, passage, provider.name, ledger)
        if verdict is None:
            n_unjudged += 1
            continue
        counts[verdict.value] += 1
        if verdict.value >= 1:
            of_question = grades.setdefault(query_id(question.text), {})
            of_question[question.passage_id] = FULLY
            of_question.setdefault(passage.id, verdict.value)
    qrels = [Qrel(key, p, g) for key, of_question in grades.items() for p, g in of_question.items()]
    return MoreAnswers(qrels, counts, n_unjudged, asked)


def answer_requests(
    questions: Sequence[Question],
    found: Mapping[Key, Found],
    passages: Mapping[str, Passage],
    judge_name: str,
    *,
    most: int = MOST,
) -> Iterator[Wanted]:
    """Yield what the judge of that name is asked, for a dry run to count."""
    return RUBRIC.wanted(_candidates(questions, found, passages, most), judge_name)


def _candidates(
    questions: Sequence[Question],
    found: Mapping[Key, Found],
    passages: Mapping[str, Passage],
    most: int,
) -> Iterator[tuple[Question, Passage]]:
    """Yield each question with the passages that a search ranked above its own."""
    for question in questions:
        for passage_id in found[key_of(question)].above[:most]:
            yield question, passages[passage_id]
