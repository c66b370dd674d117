"""The proof that no split knows another: what they share, counted in the dataset itself."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from homing.curation.components import component_rows
from homing.curation.digests import Digests
from homing.curation.duplicates import find_groups
from homing.curation.homes import question_digests
from homing.curation.spans import group_codes, spans_of
from homing.dataset import Dataset
from homing.types import Audit, IntArray


class OfSplit(NamedTuple):
    """What a split has, by which it could know another.

    Attributes:
        passages: The rows of the passages that answer, int64.
        questions: From `question_digests`.
    """

    passages: IntArray
    questions: Digests


def audit(dataset: Dataset) -> Audit:
    """Return what every pair of splits has in common; all zero in a sound dataset.

    Counted from the finished dataset, not from the assignment that made it:

    - "passages": passages that answer a question of both splits;
    - "near_duplicates": components (near duplicates, overlapping neighbours, and what a chain of
      them links) with an answering passage on both sides, but for those counted above;
    - "questions": questions that occur in both, by id or by their words.

    A dataset without groups, such as an imported one, is searched for duplicates first.
    """
    passages = list(dataset.corpus.values())
    groups = dataset.groups or find_groups(passages)
    components = component_rows(spans_of(passages), group_codes(passages, groups))
    rows = {passage_id: row for row, passage_id in enumerate(dataset.corpus)}
    return count_shared(
        {name: _of_split(dataset, name, rows) for name in dataset.splits}, components
    )


def count_shared(splits: Mapping[str, OfSplit], components: IntArray) -> Audit:
    """Return what every pair of splits has in common; see `audit`.

    Args:
        components: For each passage the one that stands for its component, int64 (n_passages,).
    """
    shared = {}
    for a, b in combinations(splits, 2):
        both = np.intersect1d(splits[a].passages, splits[b].passages)
        linked = np.intersect1d(components[splits[a].passages], components[splits[b].passages])
        questions = np.intersect1d(splits[a].questions, splits[b].questions)
        shared[a, b] = {
            "passages": len(both),
            "near_duplicates": len(np.setdiff1d(linked, components[both])),
            "questions": len(questions),
        }
    return Audit(shared)


def _of_split(dataset: Dataset, split: str, rows: Mapping[str, int]) -> OfSplit:
    relevant = dataset.split(split)
    answers = {rows[passage_id] for grades in relevant.values() for passage_id in grades}
    texts = (dataset.queries[query_id].text for query_id in relevant)
    return OfSplit(np.array(sorted(answers), dtype=np.int64), question_digests(texts))
