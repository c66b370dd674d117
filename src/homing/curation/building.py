"""The dataset, put together: every question on the side of the passage that answers it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from homing.curation.homes import SPLITS, find_homes, question_digests
from homing.dataset import Dataset
from homing.types import Passage, Qrel, Query, Question, Rejection, query_id

Asked = tuple[Sequence[Query], Sequence[Qrel]]
"""Queries and their qrels, from `match_questions`."""

HELD_OUT = ("held_out", "It is about what a test question asks for.")


class Built(NamedTuple):
    """The dataset, and what became of everything that was to come in.

    Attributes:
        kept: The written questions that came in, in their order.
        dropped: A rejection for each other written question.
        not_taken: Rejections of given questions, and of answers to them.
        more_answers: Grade -> how many further answers came in with the written questions.
        n_elsewhere: Further answers to these that lie on another side, and were left out.
    """

    dataset: Dataset
    kept: list[Question]
    dropped: list[Rejection]
    not_taken: list[Rejection]
    more_answers: Mapping[int, int]
    n_elsewhere: int


def build_dataset(
    passages: Sequence[Passage],
    groups: Mapping[str, str],
    questions: Sequence[Question],
    sides: Mapping[str, str],
    *,
    asked_test: Asked | None = None,
    asked_train: Asked | None = None,
    more_answers: Sequence[Qrel] = (),
) -> Built:
    """Return the dataset with the splits train, dev and test, and what did not come in.

    A question goes to the side of its passage. Given test questions are the test, alone: written
    questions about what they ask for, or whose passage is on the test side, are rejected as
    "held_out". A question that occurs in two splits stays in the test, else in dev, and is
    rejected elsewhere ("also_in_test", "also_in_dev"); within a split what people asked comes
    before the same question written ("duplicate_question"). So `audit` finds nothing shared.

    Args:
        groups: From `find_groups`.
        questions: Written ones, from `filter_questions`.
        sides: Passage id -> "train", "dev", "test" or "held_out", from `split_passages`, to which
            the passages of `asked_test` were given as `held_out`.
        asked_test: The people's test.
        asked_train: More questions for the side of their passages. One whose answers lie on
            several sides keeps those of one: train, else dev, else test; the others are rejected
            as "answer_on_other_side".
        more_answers: Of the written questions, from `find_answers`; of two grades of one passage
            the larger holds. Those on another side than the question are left out: no split may
            know a passage of another. Nor does one become a negative there, since training sees
            only passages of its own side.

    Raises:
        ValueError: If a passage of `asked_test` is not on the side "held_out".
    """
    if asked_test is not None:
        sides = {p: "held_out" if side == "test" else side for p, side in sides.items()}
    placed, rejections = [], []
    for place, items in (
        (_place_test, _with_qrels(asked_test)),
        (_place_asked, _with_qrels(asked_train)),
        (_place_written, _written(questions, more_answers)),
    ):
        for item in items:
            entry, dropped = place(item, sides)
            placed += [entry] if entry else []
            rejections += dropped
    chosen, repeated = _without_repetitions(placed)
    dropped = [*rejections, *repeated]
    further = [q.grade for e in chosen if e.item.question for q in e.qrels[1:]]
    return Built(
        dataset=_dataset(passages, groups, chosen),
        kept=[entry.item.question for entry in chosen if entry.item.question],
        dropped=[rejection for is_written, rejection in dropped if is_written],
        not_taken=[rejection for is_written, rejection in dropped if not is_written],
        more_answers=Counter(further),
        n_elsewhere=sum(len(e.item.qrels) - len(e.qrels) for e in chosen if e.item.question),
    )


@dataclass(frozen=True)
class _Item:
    """A query that is to come in, with all its qrels; `question` if it was written."""

    query: Query
    qrels: list[Qrel]
    question: Question | None = None


@dataclass(frozen=True)
class _Entry:
    """A query on its side, with its qrels there."""

    split: str
    item: _Item
    qrels: list[Qrel]


Dropped = list[tuple[bool, Rejection]]
"""Rejections, each with whether a written question was rejected."""

Placed = tuple[_Entry | None, Dropped]


def _with_qrels(asked: Asked | None) -> list[_Item]:
    queries, qrels = asked or ((), ())
    by_query: dict[str, list[Qrel]] = {query.id: [] for query in queries}
    for qrel in qrels:
        by_query[qrel.query_id].append(qrel)
    return [_Item(query, by_query[query.id]) for query in queries]


def _written(questions: Sequence[Question], more_answers: Sequence[Qrel]) -> Iterator[_Item]:
    """Yield the written questions with their own passage first, and then their other answers."""
    more: dict[str, list[Qrel]] = {}
    for qrel in more_answers:
        more.setdefault(qrel.query_id, []).append(qrel)
    for q in questions:
        key = query_id(q.text)
        grades = {q.passage_id: 1}
        for qrel in more.get(key, ()):
            grades[qrel.passage_id] = max(qrel.grade, grades.get(qrel.passage_id, 0))
        query = Query(key, q.text, q.kind, q.writer, q.prompt, q.masked, q.masks_title)
        yield _Item(query, [Qrel(key, p, grade) for p, grade in grades.items()], q)


def _dataset(
    passages: Sequence[Passage], groups: Mapping[str, str], chosen: Sequence[_Entry]
) -> Dataset:
    corpus = {passage.id: passage for passage in passages}
    queries = {entry.item.query.id: entry.item.query for entry in chosen}
    splits = {
        name: [qrel for entry in chosen if entry.split == name for qrel in entry.qrels]
        for name in SPLITS
    }
    return Dataset(corpus, queries, splits, dict(groups))


def _place_test(item: _Item, sides: Mapping[str, str]) -> Placed:
    for qrel in item.qrels:
        if sides[qrel.passage_id] != "held_out":
            raise ValueError(f"passage {qrel.passage_id} of a test question was not held out")
    return _Entry("test", item, item.qrels), []


def _place_asked(item: _Item, sides: Mapping[str, str]) -> Placed:
    on = {name: [q for q in item.qrels if sides[q.passage_id] == name] for name in SPLITS}
    split = next((name for name in SPLITS if on[name]), None)
    if split is None:
        return None, [_reject(item, *HELD_OUT)]
    detail = "Its answer {} is not on the side " + f"{split!r} of its other answers."
    elsewhere = [q.passage_id for q in item.qrels if sides[q.passage_id] != split]
    dropped = [_reject(item, "answer_on_other_side", detail.format(p)) for p in elsewhere]
    return _Entry(split, item, on[split]), dropped


def _place_written(item: _Item, sides: Mapping[str, str]) -> Placed:
    split = sides[item.qrels[0].passage_id]
    if split in SPLITS:
        here = [qrel for qrel in item.qrels if sides[qrel.passage_id] == split]
        return _Entry(split, item, here), []
    return None, [_reject(item, *HELD_OUT)]


def _without_repetitions(placed: Sequence[_Entry]) -> tuple[list[_Entry], Dropped]:
    """Return each question on one side alone: the test's, else dev's."""
    homes = find_homes(
        question_digests([entry.item.query.text for entry in placed]),
        np.array([SPLITS.index(entry.split) for entry in placed], dtype=np.int8),
        np.array([entry.item.query.writer == "person" for entry in placed], dtype=bool),
    )
    kept: list[_Entry] = []
    rejections = []
    for row, entry in enumerate(placed):
        fault = homes.fault(row)
        if fault is None:
            kept.append(entry)
        else:
            rejections.append(_reject(entry.item, *fault))
    return kept, rejections


def _reject(item: _Item, reason: str, detail: str) -> tuple[bool, Rejection]:
    text = item.query.text[:2000]
    return bool(item.question), Rejection(item.query.id, "curate", reason, detail, text)
