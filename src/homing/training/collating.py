"""From positions in the example list to tokenised features and the label matrix of the loss."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from homing.training.examples import Example, choose_queries, view
from homing.training.guide import Guide
from homing.training.losses import IGNORED, NEGATIVE, OWN
from homing.training.mining import Hard, HardNegatives
from homing.types import Query, passage_input


class PassageCollator:
    """Builds a batch: every passage once, with up to `n_questions` of its questions.

    The passages' own columns come first, those of hard negatives after them.

    What is chosen depends on seed, epoch and passage alone, not on the order of the calls, so
    that a job that was stopped and resumed sees the same batches.

    Args:
        examples: All examples of the training split.
        model: A SentenceTransformer: tokeniser, prompts and length limit are its own.
        n_questions: Most questions of one passage in one batch.
        whole_fraction: Share of passages shown whole although their questions mask a part.
        seed: Seed of the job.
        hard: Mines further passages that stand in the batch; None for none.
        guide: Takes negatives that are probably right out of the labels; None for none.
        share: Number of this process and how many there are: each tokenises its part of the batch,
            while the labels are those of the whole one.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        model: Any,
        *,
        n_questions: int,
        whole_fraction: float,
        seed: int,
        hard: HardNegatives | None = None,
        guide: Guide | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.examples = examples
        self.model = model
        self.n_questions = n_questions
        self.whole_fraction = whole_fraction
        self.seed = seed
        self.hard = hard
        self.guide = guide
        self.rank, self.n_ranks = share
        self.epoch = 0
        self.valid_label_columns = ["label"]
        self.query_prompt = model.prompts.get("query") or ""
        self.passage_prompt = model.prompts.get("document") or model.prompts.get("passage") or ""

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return `passage_*` and `question_*` features and `label`, (n_q, n_p).

        n_p counts the rows' passages and the hard negatives. Of several processes, this one gets
        the features of every n-th passage and question, as `together.everyones` puts them back.
        """
        import torch

        chosen = [self._choose(self.examples[row["position"]]) for row in rows]
        passages = [text for text, _ in chosen]
        pairs = [(query, place) for place, (_, queries) in enumerate(chosen) for query in queries]
        batch = [self.examples[row["position"]] for row in rows]
        hard = self.hard.beside(batch, [query for query, _ in pairs]) if self.hard else []
        passages += [passage_input(h.passage.title, h.passage.text) for h in hard]
        features: dict[str, Any] = {"return_loss": True}
        for name, texts, prompt in (
            ("passage", passages, self.passage_prompt),
            ("question", [query.text for query, _ in pairs], self.query_prompt),
        ):
            own = texts[self.rank :: self.n_ranks]
            for key, value in self.model.preprocess(own, prompt=prompt or None).items():
                features[f"{name}_{key}"] = value
        suspected = self.hard.mined.suspected if self.hard else {}
        labels: Any = label_matrix(batch, pairs, hard, suspected)
        if self.guide is not None:
            columns = [e.passage for e in batch] + [h.passage for h in hard]
            labels = self.guide.without_probable(labels, [q.text for q, _ in pairs], columns)
        features["label"] = torch.as_tensor(labels)
        return features

    def _choose(self, example: Example) -> tuple[str, list[Query]]:
        generator = random.Random(f"{self.seed}/{self.epoch}/{example.passage.id}")
        queries = choose_queries(example, self.n_questions, generator)
        keep_whole = generator.random() < self.whole_fraction
        return view(example.passage, queries, keep_whole=keep_whole), queries


def label_matrix(
    batch: Sequence[Example],
    pairs: Sequence[tuple[Query, int]],
    hard: Sequence[Hard] = (),
    suspected: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> list[list[int]]:
    """Return (n_q, n_p) labels: own passage, negative, or neither (also right, or a duplicate).

    Args:
        batch: Whose passages are the first columns.
        pairs: Questions, each with the place of its own passage in the batch.
        hard: The further columns.
        suspected: Question id -> hard negatives of others that probably answer it: neither.
    """
    columns = [(e.passage.id, e.group) for e in batch] + [(h.passage.id, h.group) for h in hard]
    rows = []
    for query, place in pairs:
        own = batch[place]
        right = own.right[query.id]
        doubtful = suspected.get(query.id, frozenset())
        row = [
            IGNORED if group == own.group or passage_id in right else NEGATIVE
            for passage_id, group in columns
        ]
        row[place] = OWN
        for column in range(len(batch), len(columns)):
            if columns[column][0] in doubtful:
                row[column] = IGNORED
        rows.append(row)
    return rows
