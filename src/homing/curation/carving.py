"""A dev split for datasets that come without one: no checkpoint is chosen on what it trained on."""

from __future__ import annotations

from dataclasses import replace

from homing.curation.duplicates import find_groups
from homing.curation.splitting import split_passages
from homing.dataset import Dataset

DEV = "dev"


def carve_dev(dataset: Dataset, split: str, *, fraction: float, seed: int) -> Dataset:
    """Return the dataset with a part of `split` moved to "dev", by group.

    Passages that are near-duplicates stay on one side; a question that passages of both sides
    answer goes with neither, so that dev and `split` share no passage, group or question.

    Args:
        split: The split to take from.
        fraction: Share of the passages that `split` asks about, in (0, 1).
        seed: Decides which.
    """
    asked = {passage_id for grades in dataset.split(split).values() for passage_id in grades}
    passages = [passage for passage in dataset.corpus.values() if passage.id in asked]
    groups = dict(dataset.groups) or find_groups(passages)
    sides = split_passages(passages, groups, dev_fraction=fraction, test_fraction=0.0, seed=seed)
    of_query = {
        query_id: {sides[passage_id] for passage_id in grades}
        for query_id, grades in dataset.split(split).items()
    }
    qrels = dict(dataset.qrels)
    qrels[split] = [q for q in dataset.qrels[split] if of_query.get(q.query_id) == {"train"}]
    qrels[DEV] = [q for q in dataset.qrels[split] if of_query.get(q.query_id) == {DEV}]
    return replace(dataset, qrels=qrels)
