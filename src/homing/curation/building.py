"""The dataset, put together: every question on the side of the passage that answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homing.curation.words import question_key
from homing.dataset import Dataset
from homing.types import Passage, Qrel, Query, Question, Rejection, query_id

Asked = tuple[Sequence[Query], Sequence[Qrel]]
"""Queries and their qrels, from `match_questions`."""

SPLITS = ("train", "dev", "test")
HELD_OUT = ("held_out", "It is about what a test question asks for.")


def build_dataset(
    passages: Sequence[Passage],
    groups: Mapping[str, str],
    questions: Sequence[Question],
    sides: Mapping[str, str],
    *,
    asked_test: Asked | None = None,
    asked_train: Asked | None = None,
) -> tuple[Dataset, list[Rejection]]:
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

    Raises:
        ValueError: If a passage of `asked_test` is not on the side "held_out".
    """
    if asked_test is not None:
        sides = {p: "held_out" if side == "test" else side for p, side in sides.items()}
    placed, rejections = [], []
    for place, items in (
        (_place_test, _with_qrels(asked_test)),
        (_place_asked, _with_qrels(asked_train)),
        (_place_written, [_as_query(question) for question in questions]),
    ):
        for query, qrels in items:
            entry, dropped = place(query, qrels, sides)
            placed += [entry] if entry else []
            rejections += dropped
    chosen, dropped = _without_repetitions(placed)
    corpus = {passage.id: passage for passage in passages}
    queries = {entry.query.id: entry.query for entry in chosen}
    splits = {
        name: [qrel for entry in chosen if entry.split == name for qrel in entry.qrels]
        for name in SPLITS
    }
    return Dataset(corpus, queries, splits, dict(groups)), rejections + dropped


@dataclass(frozen=True)
class _Entry:
    """A query with its qrels, all of them on one side."""

    split: str
    query: Query
    qrels: list[Qrel]


Placed = tuple[_Entry | None, list[Rejection]]


def _with_qrels(asked: Asked | None) -> list[tuple[Query, list[Qrel]]]:
    queries, qrels = asked or ((), ())
    by_query: dict[str, list[Qrel]] = {query.id: [] for query in queries}
    for qrel in qrels:
        by_query[qrel.query_id].append(qrel)
    return [(query, by_query[query.id]) for query in queries]


def _as_query(question: Question) -> tuple[Query, list[Qrel]]:
    key = query_id(question.text)
    q = question
    query = Query(key, q.text, q.kind, q.writer, q.prompt, q.masked, q.masks_title)
    return query, [Qrel(key, question.passage_id)]


def _place_test(query: Query, qrels: list[Qrel], sides: Mapping[str, str]) -> Placed:
    for qrel in qrels:
        if sides[qrel.passage_id] != "held_out":
            raise ValueError(f"passage {qrel.passage_id} of a test question was not held out")
    return _Entry("test", query, qrels), []


def _place_asked(query: Query, qrels: list[Qrel], sides: Mapping[str, str]) -> Placed:
    on = {name: [q for q in qrels if sides[q.passage_id] == name] for name in SPLITS}
    split = next((name for name in SPLITS if on[name]), None)
    if split is None:
        return None, [_reject(query, *HELD_OUT)]
    detail = "Its answer {} is not on the side " + f"{split!r} of its other answers."
    elsewhere = [q.passage_id for q in qrels if sides[q.passage_id] != split]
    dropped = [_reject(query, "answer_on_other_side", detail.format(p)) for p in elsewhere]
    return _Entry(split, query, on[split]), dropped


def _place_written(query: Query, qrels: list[Qrel], sides: Mapping[str, str]) -> Placed:
    split = sides[qrels[0].passage_id]
    if split in SPLITS:
        return _Entry(split, query, qrels), []
    return None, [_reject(query, *HELD_OUT)]


def _without_repetitions(placed: Sequence[_Entry]) -> tuple[list[_Entry], list[Rejection]]:
    """Return each question on one side alone: the test's, else dev's."""
    home: dict[str, str] = {}
    for split in SPLITS:
        home |= {question_key(e.query.text): split for e in placed if e.split == split}
    kept: list[_Entry] = []
    rejections = []
    seen: set[str] = set()
    for entry in placed:
        key = question_key(entry.query.text)
        if entry.split != home[key]:
            detail = f"The same question is in {home[key]}."
            rejections.append(_reject(entry.query, f"also_in_{home[key]}", detail))
        elif key in seen and entry.query.writer != "person":
            rejections.append(_reject(entry.query, "duplicate_question", "It was asked already."))
        else:
            seen.add(key)
            kept.append(entry)
    return kept, rejections


def _reject(query: Query, reason: str, detail: str) -> Rejection:
    return Rejection(query.id, "curate", reason, detail, query.text[:2000])
