"""What training sees: one example a passage, with all the questions that it answers.

A passage is shown through a *view*: its text without the spans that the questions of this batch
were made from, and without its title where a question was made from the title. A model that is
trained on questions cut out of the passages that it reads learns to compare letters; with the
span taken out (the inverse cloze task, arXiv 1906.00300) it must learn what belongs together.
The corpus keeps every passage whole.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homing.dataset import Dataset
from homing.types import Passage, Query, Span, content_id, passage_input

OFFLINE_WRITER = "extractive"
FULLY = 2
"""The grade of a passage that answers a question in full, where answers are graded at all."""
MIN_VIEW_CHARACTERS = 40
"""A view shorter than this says nothing; the passage is then shown whole."""


@dataclass(frozen=True, slots=True)
class Example:
    """A passage with the questions that it answers.

    Attributes:
        right: Question id -> ids of all passages judged relevant, and of their duplicates: what
            answers a question is never a negative for it.
        group: Group id of the passage; equal groups are never each other's negatives.
    """

    passage: Passage
    queries: tuple[Query, ...]
    right: Mapping[str, frozenset[str]]
    group: str

    @property
    def is_given(self) -> bool:
        """True where at least one of the questions was not made by the offline writer."""
        return any(is_given(query) for query in self.queries)


def training_examples(dataset: Dataset, split: str) -> list[Example]:
    """Return one example for each passage that a question of `split` is answered by.

    In corpus order; the questions of one passage in the order of the qrels. Where a passage answers
    a question in full (grade 2 and above), those that do in part (grade 1) are not learned from,
    but are never a negative for it either, and nor are duplicates of any of them.
    """
    relevant = dataset.split(split)
    members = dataset.group_members()
    right = {
        query_id: frozenset(p for own in grades for p in members[dataset.group_of(own)])
        for query_id, grades in relevant.items()
    }
    least = {query_id: min(FULLY, max(grades.values())) for query_id, grades in relevant.items()}
    by_passage: dict[str, list[Query]] = {}
    for qrel in dataset.qrels[split]:
        if qrel.grade >= least.get(qrel.query_id, FULLY):
            by_passage.setdefault(qrel.passage_id, []).append(dataset.queries[qrel.query_id])
    return [
        Example(
            passage=passage,
            queries=tuple(by_passage[passage_id]),
            right={q.id: right[q.id] for q in by_passage[passage_id]},
            group=dataset.groups.get(passage_id, passage_id),
        )
        for passage_id, passage in dataset.corpus.items()
        if passage_id in by_passage
    ]


def choose_examples(
    examples: Sequence[Example], max_offline: int | None, seed: int
) -> list[Example]:
    """Return all examples with given questions and up to `max_offline` of the others.

    In their order. Which of the others are taken follows from the seed and their ids.
    """
    offline = [e.passage.id for e in examples if not e.is_given]
    if max_offline is None or len(offline) <= max_offline:
        return list(examples)
    drawn = sorted(offline, key=lambda passage_id: content_id("draw", str(seed), passage_id))
    kept = set(drawn[:max_offline])
    return [e for e in examples if e.is_given or e.passage.id in kept]


def choose_queries(example: Example, n: int, generator: random.Random) -> list[Query]:
    """Return up to `n` of the example's questions: given ones first, then as many kinds as can be.

    A question that somebody asked is worth more than one cut out of the passage, and the view
    that hides what the latter was made from may hide what the former asks about.
    """
    pool = list(example.queries)
    if len(pool) <= n:
        return pool
    generator.shuffle(pool)
    seen: dict[str, int] = {}
    ranked: list[tuple[bool, int, int, Query]] = []
    for query in pool:
        seen[query.kind] = seen.get(query.kind, 0) + 1
        ranked.append((not is_given(query), seen[query.kind], len(ranked), query))
    return [query for *_, query in sorted(ranked, key=lambda row: row[:3])[:n]]


def is_given(query: Query) -> bool:
    """Tell whether a person or a language model asked, not the offline writer."""
    return query.writer != OFFLINE_WRITER


def view(passage: Passage, queries: Sequence[Query], *, keep_whole: bool = False) -> str:
    """Return the passage as training shows it beside these questions.

    Args:
        passage: The passage.
        queries: The questions that are asked of it in this batch.
        keep_whole: Show it whole whatever the questions mask.
    """
    if keep_whole:
        return passage_input(passage.title, passage.text)
    spans = sorted(span for query in queries for span in query.masked)
    text = without_spans(passage.text, spans)
    if len(text) < MIN_VIEW_CHARACTERS:
        text = passage.text
    title = "" if any(query.masks_title for query in queries) else passage.title
    return passage_input(title, text)


def without_spans(text: str, spans: Sequence[Span]) -> str:
    """Return `text` without the given spans (which may overlap), runs of blanks closed."""
    pieces, at = [], 0
    for start, end in sorted(spans):
        if start > at:
            pieces.append(text[at:start])
        at = max(at, end)
    pieces.append(text[at:])
    return re.sub(r"[ \t]{2,}", " ", " ".join(pieces)).strip() if spans else text
