"""Whether a question is answerable and self-contained, by the judgement of a language model.

Cost: one call a question, of the passage's length; each is kept in the ledger, so that a second run
pays for new questions alone. Memory: what is under way, not what is to be judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Unpack

from homing.curation.rejections import reject
from homing.curation.rubrics import Rubric
from homing.llm.dispatch import Asked, AskOptions, Wanted
from homing.llm.ledger import Ledger
from homing.llm.provider import Provider
from homing.types import Passage, Question, Rejection

RUBRIC = Rubric("judge", "judge.v1", "score", 1, 10)
THRESHOLD = 7


class Judged(NamedTuple):
    """What the judge left.

    Attributes:
        n_unjudged: Questions that are kept because no verdict was to be had: the call failed, or
            the budget did not last.
        asked: What became of the calls.
    """

    kept: list[Question]
    rejections: list[Rejection]
    n_unjudged: int
    asked: Asked


def judge(
    questions: Sequence[Question],
    passages: Mapping[str, Passage],
    *,
    provider: Provider,
    ledger: Ledger,
    threshold: int = THRESHOLD,
    **options: Unpack[AskOptions],
) -> Judged:
    """Return the questions with a score of at least `threshold`, and the others rejected.

    The reason is "judged_poor"; the detail has the score and the judge's reason. A question that
    could not be judged is kept: unjudged is not poor.

    Args:
        passages: Passage id -> passage; questions about others are not judged.
        provider: The judge; best another model than the one that wrote.
        threshold: From 1 (keeps all) to 10.
        options: See `ask_all`.

    Raises:
        ProviderError: The judge will answer no call at all.
        UsageError: There is a budget but no price.
    """
    asked = RUBRIC.ask(
        provider,
        judge_requests(questions, passages, provider.name),
        ledger,
        title="Judging questions",
        total=sum(question.passage_id in passages for question in questions),
        **options,
    )
    kept: list[Question] = []
    rejections = []
    n_unjudged = 0
    for question in questions:
        passage = passages.get(question.passage_id)
        verdict = RUBRIC.find(question, passage, provider.name, ledger) if passage else None
        n_unjudged += verdict is None
        if verdict is None or verdict.value >= threshold:
            kept.append(question)
            continue
        detail = f"{verdict.value} of 10 points, fewer than {threshold}: {verdict.reason}"
        rejections.append(reject(question, "judged_poor", detail))
    return Judged(kept, rejections, n_unjudged, asked)


def judge_requests(
    questions: Sequence[Question], passages: Mapping[str, Passage], judge_name: str
) -> Iterator[Wanted]:
    """Yield what the judge of that name is asked, for a dry run to count."""
    known = (q for q in questions if q.passage_id in passages)
    return RUBRIC.wanted(((q, passages[q.passage_id]) for q in known), judge_name)
