"""The proof that no split knows another: what they share, counted in the dataset itself."""

from __future__ import annotations

from itertools import combinations

from homing.curation.components import find_components
from homing.curation.duplicates import find_groups
from homing.dataset import Dataset
from homing.types import Audit
from homing.words import question_key


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
    components = find_components(passages, groups)
    answers = {name: _answers(dataset, name) for name in dataset.splits}
    texts = {name: _texts(dataset, name) for name in dataset.splits}
    shared = {}
    for a, b in combinations(dataset.splits, 2):
        both = answers[a] & answers[b]
        linked = {components[p] for p in answers[a]} & {components[p] for p in answers[b]}
        shared[a, b] = {
            "passages": len(both),
            "near_duplicates": len(linked - {components[p] for p in both}),
            "questions": len(texts[a] & texts[b]),
        }
    return Audit(shared)


def _answers(dataset: Dataset, split: str) -> set[str]:
    return {p for relevant in dataset.split(split).values() for p in relevant}


def _texts(dataset: Dataset, split: str) -> set[str]:
    """Return the questions of a split, as far as they differ in more than case and punctuation."""
    return {question_key(dataset.queries[query_id].text) for query_id in dataset.split(split)}
