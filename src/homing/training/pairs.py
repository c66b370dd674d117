"""What a cross-encoder is trained on: a question, the passage that answers and some that do not.

The passages that do not are drawn anew in each epoch from the hard negatives that were mined, as
they are what the first stage will put before it (localised contrastive estimation, arXiv
2101.08751); where too few were mined, any passage that does not answer fills the list.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homing.dataset import Dataset
from homing.training.examples import Example, view
from homing.training.negatives import Mined, held_out_groups
from homing.types import Query, passage_input

RIGHT, WRONG = 30.0, 0.0
"""Labels of a list: the library takes their softmax as the target, and this is one-hot."""


@dataclass(frozen=True, slots=True)
class Row:
    """A question and one passage that answers it."""

    example: Example
    query: Query


class PairCollator:
    """Builds a batch of lists: what answers first, then `n_negatives` that do not.

    What is drawn depends on seed, epoch and question alone, not on the order of the calls.

    Args:
        rows: All questions, each with a passage.
        dataset: The corpus.
        mined: Hard negatives of the questions.
        split: The one that is trained on.
        n_negatives: Passages beside the right one.
        whole_fraction: Share of passages shown whole although their question masks a part.
        seed: Seed of the job.
        as_list: Whether the loss takes a list for each question, or pairs.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        dataset: Dataset,
        mined: Mined,
        *,
        split: str,
        n_negatives: int,
        whole_fraction: float,
        seed: int,
        as_list: bool,
    ) -> None:
        hidden = held_out_groups(dataset, split)
        self.rows = rows
        self.mined = mined
        self.corpus = dataset.corpus
        self.shown = [i for i in dataset.corpus if dataset.group_of(i) not in hidden]
        self.n_negatives = n_negatives
        self.whole_fraction = whole_fraction
        self.seed = seed
        self.as_list = as_list
        self.epoch = 0
        self.valid_label_columns = ["label"]

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return `query`, `passage` and `label` as the losses of the library take them."""
        import torch

        chosen = [self.rows[row["position"]] for row in rows]
        lists = [self.passages(row) for row in chosen]
        if self.as_list:
            labels = [torch.tensor([RIGHT] + [WRONG] * (len(texts) - 1)) for texts in lists]
            return {"query": [row.query.text for row in chosen], "passage": lists, "label": labels}
        return {
            "query": [r.query.text for r, texts in zip(chosen, lists, strict=True) for _ in texts],
            "passage": [text for texts in lists for text in texts],
            "label": torch.tensor([float(not i) for texts in lists for i in range(len(texts))]),
        }

    def passages(self, row: Row) -> list[str]:
        """Return the texts of a question's list in this epoch, the one that answers first."""
        generator = random.Random(f"{self.seed}/{self.epoch}/{row.query.id}")
        keep_whole = generator.random() < self.whole_fraction
        right = view(row.example.passage, [row.query], keep_whole=keep_whole)
        wrong = [self.corpus[i] for i in self._wrong(row, generator)]
        return [right, *(passage_input(p.title, p.text) for p in wrong)]

    def _wrong(self, row: Row, generator: random.Random) -> list[str]:
        pool = list(self.mined.negatives.get(row.query.id, ()))
        drawn = generator.sample(pool, min(self.n_negatives, len(pool)))
        missing = self.n_negatives - len(drawn)
        if missing:
            doubtful = self.mined.suspected.get(row.query.id, frozenset())
            never = row.example.right[row.query.id] | doubtful | set(drawn)
            others = [i for i in self.shown if i not in never]
            drawn += generator.sample(others, min(missing, len(others)))
        return drawn


def question_rows(examples: Sequence[Example]) -> list[Row]:
    """Return a row for each question and each passage that answers it, in their order."""
    return [Row(example, query) for example in examples for query in example.queries]
