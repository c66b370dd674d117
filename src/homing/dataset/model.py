"""The dataset that training and evaluation read: a corpus, queries, and who answers what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from homing.errors import UsageError
from homing.types import Passage, Qrel, Query, passage_input

SPLIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Dataset:
    """Corpus, queries and qrels by split; every qrel names a known query and passage.

    Attributes:
        corpus: Passage id -> passage, in corpus order (ties between scores go to the earlier).
        queries: Query id -> query.
        qrels: Split name -> judgements. Imported sets may hold judgements of grade 0 or below,
            which say that a passage is *not* an answer; `split` leaves them out.
        groups: Passage id -> group id, equal for exact and near duplicates; empty for imported
            sets, where every passage is its own group.
    """

    corpus: Mapping[str, Passage]
    queries: Mapping[str, Query]
    qrels: Mapping[str, Sequence[Qrel]]
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_passages(self) -> int:
        """Return how many passages the corpus has."""
        return len(self.corpus)

    @property
    def n_queries(self) -> int:
        """Return how many queries there are over all splits."""
        return len(self.queries)

    @property
    def splits(self) -> tuple[str, ...]:
        """Return the names of the splits, in their order."""
        return tuple(self.qrels)

    def passage_ids(self) -> list[str]:
        """Return the passage ids in corpus order."""
        return list(self.corpus)

    def passage_texts(self) -> list[str]:
        """Return what an encoder or BM25 is given, in corpus order: title, line break, text."""
        return [passage_input(p.title, p.text) for p in self.corpus.values()]

    def split(self, name: str) -> dict[str, dict[str, int]]:
        """Return query id -> {passage id: grade} of one split, grades of at least 1 alone.

        Queries without a relevant passage are left out: no measure is defined for them.

        Raises:
            UsageError: If there is no such split; the message names those there are.
        """
        if name not in self.qrels:
            raise UsageError(
                f"There is no split {name!r} in this dataset. {_splits_there_are(self)}"
            )
        relevant: dict[str, dict[str, int]] = {}
        for qrel in self.qrels[name]:
            if qrel.grade >= 1:
                grades = relevant.setdefault(qrel.query_id, {})
                grades[qrel.passage_id] = max(qrel.grade, grades.get(qrel.passage_id, 0))
        return relevant

    def has_answers(self, name: str) -> bool:
        """Return whether a split there is holds a question with an answer."""
        return any(qrel.grade >= 1 for qrel in self.qrels[name])

    def group_of(self, passage_id: str) -> str:
        """Return the id of the duplicate group of a passage; its own id where it is alone."""
        return self.groups.get(passage_id, passage_id)

    def group_members(self) -> dict[str, list[str]]:
        """Return group id -> its passage ids in corpus order, every passage in exactly one."""
        members: dict[str, list[str]] = {}
        for passage_id in self.corpus:
            members.setdefault(self.group_of(passage_id), []).append(passage_id)
        return members


def pick_split(dataset: Dataset, preferred: str, *, asked: str | None = None) -> str:
    """Return the name of the split to work on.

    The one that was asked for; else the preferred one; else the only one there is, whatever its
    name (a LlamaIndex file has a single split, "all"). Splits without a relevant passage do not
    count.

    Raises:
        UsageError: If that leaves no split or a choice; the message names the splits there are.
    """
    if asked is not None:
        if dataset.split(asked):
            return asked
        raise UsageError(
            f"The split {asked!r} holds no question with an answer. {_splits_there_are(dataset)}"
        )
    filled = [name for name in dataset.splits if dataset.has_answers(name)]
    if preferred in filled:
        return preferred
    if len(filled) == 1:
        return filled[0]
    if not filled:
        raise UsageError("No split of this dataset holds a question with an answer.")
    raise UsageError(
        f"There is no split {preferred!r} to take. {_splits_there_are(dataset)} "
        "Choose one with --split."
    )


def usual_order(names: Iterable[str]) -> list[str]:
    """Return the names of splits with train, dev and test first, then the others by name."""
    usual = {"train": 0, "dev": 1, "test": 2}
    return sorted(names, key=lambda name: (usual.get(name, len(usual)), name))


def check_dataset(dataset: Dataset, source: str) -> Dataset:
    """Return the dataset itself if its parts fit together.

    Raises:
        UsageError: If a split's name cannot be a file name, or qrels name unknown queries or
            passages: how many, and the first.
    """
    for name, qrels in dataset.qrels.items():
        if not SPLIT_NAME.fullmatch(name):
            raise UsageError(
                f"{source}: the split name {name!r} cannot be used as a file name. "
                "Use letters, digits, '-', '_' and '.'."
            )
        lost_queries = [q.query_id for q in qrels if q.query_id not in dataset.queries]
        lost_passages = [q.passage_id for q in qrels if q.passage_id not in dataset.corpus]
        for lost, what, where in (
            (lost_queries, "query", "queries"),
            (lost_passages, "passage", "the corpus"),
        ):
            if lost:
                raise UsageError(
                    f"{source}: {len(lost):,} of {len(qrels):,} judgements of the split {name!r} "
                    f"name a {what} that is not in {where}, the first being {lost[0]!r}. "
                    "Complete the dataset, or remove those judgements."
                )
    return dataset


def _splits_there_are(dataset: Dataset) -> str:
    counts = [f"{name} ({len(dataset.split(name)):,} questions)" for name in dataset.splits]
    return f"It has: {', '.join(counts)}." if counts else "It has no split at all."
