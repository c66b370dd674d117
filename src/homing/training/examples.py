"""What training sees: one example a passage, with all the questions that it answers.

A passage is shown through a *view*: its text without the spans that the questions of this batch
were made from, and without its title where a question was made from the title. A model that is
trained on questions cut out of the passages that it reads learns to compare letters; with the
span taken out (the inverse cloze task, arXiv 1906.00300) it must learn what belongs together.
The corpus keeps every passage whole.
"""

from __future__ import annotations

import heapq
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from homing.dataset import Dataset
from homing.dataset.judged import Judged, judged
from homing.dataset.row_files import Numbers
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


class Examples(Sequence[Example]):
    """The examples of a split, in corpus order; each is made when it is asked for.

    What is held are numbers: 12 bytes for each judgement, 12 for each passage and question of the
    dataset. The texts are where the dataset has them.

    Args:
        judged: Of the split.
        rows: Of the passages that are learnt from; None for all that a question asks for.
    """

    def __init__(self, judged: Judged, rows: Numbers | None = None) -> None:
        self._judged = judged
        kept = np.flatnonzero(judged.grades >= _least(judged))
        kept = kept[np.argsort(judged.passages[kept], kind="stable")]
        every, starts = np.unique(judged.passages[kept], return_index=True)
        ends = np.append(starts, len(kept))[1:]
        places = np.arange(len(every)) if rows is None else np.searchsorted(every, rows)
        self.rows: Numbers = every[places]
        self._spans = np.stack([starts, ends], axis=1)[places]
        self._asked = judged.questions[kept]
        self._answers = _Lists(judged.questions, judged.passages, len(judged.writers))
        self._members = _Lists(judged.groups, np.arange(len(judged.groups)))

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> Example: ...
    @overload
    def __getitem__(self, at: slice) -> list[Example]: ...
    def __getitem__(self, at: int | slice) -> Example | list[Example]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        judged, row = self._judged, int(self.rows[at])
        asked = self._questions(at)
        queries = [judged.question(question) for question in asked]
        return Example(
            passage=judged.passage(row),
            queries=tuple(queries),
            right={q.id: self._right(row) for q, row in zip(queries, asked, strict=True)},
            group=judged.group_id(row),
        )

    @property
    def n_pairs(self) -> int:
        """How many questions are asked, over all passages."""
        return int((self._spans[:, 1] - self._spans[:, 0]).sum())

    def groups(self) -> list[int]:
        """Return a number for the duplicate group of each example, equal for equal groups."""
        numbers: list[int] = self._judged.groups[self.rows].tolist()
        return numbers

    def given(self) -> list[bool]:
        """Return for each example whether one of its questions was given (`Example.is_given`)."""
        is_given = np.array([name != OFFLINE_WRITER for name in self._judged.writer_names])
        of_asked = is_given[self._judged.writers[self._asked]]
        before = np.concatenate([[0], np.cumsum(of_asked)])
        return [bool(n) for n in before[self._spans[:, 1]] - before[self._spans[:, 0]]]

    def ids(self) -> Iterator[str]:
        """Yield the passage ids, in order."""
        return (self._judged.passage_id(int(row)) for row in self.rows)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield (passage id, query id), in order; no text is read."""
        for at, passage_id in enumerate(self.ids()):
            for question in self._questions(at):
                yield passage_id, self._judged.question_id(question)

    def inputs(self) -> Iterator[str]:
        """Yield what an encoder is given for each passage, whole, in order."""
        for row in self.rows:
            passage = self._judged.passage(int(row))
            yield passage_input(passage.title, passage.text)

    def among(self, places: Sequence[int]) -> Examples:
        """Return some of the examples, given by their places in ascending order."""
        return Examples(self._judged, self.rows[list(places)])

    def _questions(self, at: int) -> list[int]:
        start, end = self._spans[at]
        rows: list[int] = self._asked[start:end].tolist()
        return rows

    def _right(self, question: int) -> frozenset[str]:
        """Return the ids of what answers a question, and of the duplicates of that."""
        groups = {int(self._judged.groups[row]) for row in self._answers.of(question)}
        rows = (row for group in groups for row in self._members.of(group))
        return frozenset(map(self._judged.passage_id, rows))


class _Lists:
    """Numbers in lists, each under a number.

    Args:
        keys: The list that each value is in, (n,).
        values: In the order that they keep in their list, (n,).
        n_lists: How many there are; as many as the largest key asks for if None.
    """

    def __init__(self, keys: Numbers, values: Numbers, n_lists: int | None = None) -> None:
        order = np.argsort(keys, kind="stable")
        self._values: Numbers = values[order].astype(np.int32)
        counts = np.bincount(keys, minlength=n_lists or 0)
        self._starts: Numbers = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)

    def of(self, key: int) -> list[int]:
        """Return the list of a number."""
        found: list[int] = self._values[self._starts[key] : self._starts[key + 1]].tolist()
        return found


def _least(judged: Judged) -> Numbers:
    """Return for each judgement the grade from which its question is learnt from."""
    highest = np.zeros(len(judged.writers), dtype=np.int32)
    np.maximum.at(highest, judged.questions, judged.grades)
    least: Numbers = np.minimum(highest, FULLY)[judged.questions]
    return least


def training_examples(dataset: Dataset, split: str) -> Examples:
    """Return one example for each passage that a question of `split` is answered by.

    In corpus order; the questions of one passage in the order of the qrels. Where a passage answers
    a question in full (grade 2 and above), those that do in part (grade 1) are not learned from,
    but are never a negative for it either, and nor are duplicates of any of them.
    """
    return Examples(judged(dataset, split))


@overload
def choose_examples(examples: Examples, max_offline: int | None, seed: int) -> Examples: ...
@overload
def choose_examples(
    examples: Sequence[Example], max_offline: int | None, seed: int
) -> Sequence[Example]: ...
def choose_examples(
    examples: Sequence[Example], max_offline: int | None, seed: int
) -> Sequence[Example]:
    """Return all examples with given questions and up to `max_offline` of the others.

    In their order. Which of the others are taken follows from the seed and their ids.
    """
    given = given_of(examples)
    if max_offline is None or len(given) - sum(given) <= max_offline:
        return examples
    ids = examples.ids() if isinstance(examples, Examples) else (e.passage.id for e in examples)
    keyed = ((content_id("draw", str(seed), one), i) for i, one in enumerate(ids) if not given[i])
    drawn = {i for _, i in heapq.nsmallest(max_offline, keyed)}
    kept = [i for i, is_given in enumerate(given) if is_given or i in drawn]
    if isinstance(examples, Examples):
        return examples.among(kept)
    return [examples[i] for i in kept]


def given_of(examples: Sequence[Example]) -> list[bool]:
    """Return for each example whether one of its questions was given."""
    return examples.given() if isinstance(examples, Examples) else [e.is_given for e in examples]


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
