"""From positions in the example list to tokenised features and the label matrix of the loss."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from homing.training.examples import Example, choose_queries, view
from homing.training.losses import IGNORED, NEGATIVE, OWN
from homing.types import Query


class PassageCollator:
    """Builds a batch: every passage once, with up to `n_questions` of its questions.

    What is chosen depends on seed, epoch and passage alone, not on the order of the calls, so
    that a job that was stopped and resumed sees the same batches.

    Args:
        examples: All examples of the training split.
        model: A SentenceTransformer: tokeniser, prompts and length limit are its own.
        n_questions: Most questions of one passage in one batch.
        whole_fraction: Share of passages shown whole although their questions mask a part.
        seed: Seed of the job.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        model: Any,
        *,
        n_questions: int,
        whole_fraction: float,
        seed: int,
    ) -> None:
        self.examples = examples
        self.model = model
        self.n_questions = n_questions
        self.whole_fraction = whole_fraction
        self.seed = seed
        self.epoch = 0
        self.valid_label_columns = ["label"]
        self.query_prompt = model.prompts.get("query") or ""
        self.passage_prompt = model.prompts.get("document") or model.prompts.get("passage") or ""

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return `passage_*` and `question_*` features and `label`, (n_q, n_p)."""
        import torch

        chosen = [self._choose(self.examples[row["position"]]) for row in rows]
        passages = [text for text, _ in chosen]
        pairs = [(query, place) for place, (_, queries) in enumerate(chosen) for query in queries]
        batch = [self.examples[row["position"]] for row in rows]
        features: dict[str, Any] = {"return_loss": True}
        for name, texts, prompt in (
            ("passage", passages, self.passage_prompt),
            ("question", [query.text for query, _ in pairs], self.query_prompt),
        ):
            for key, value in self.model.preprocess(texts, prompt=prompt or None).items():
                features[f"{name}_{key}"] = value
        features["label"] = torch.tensor(label_matrix(batch, pairs))
        return features

    def _choose(self, example: Example) -> tuple[str, list[Query]]:
        generator = random.Random(f"{self.seed}/{self.epoch}/{example.passage.id}")
        queries = choose_queries(example, self.n_questions, generator)
        keep_whole = generator.random() < self.whole_fraction
        return view(example.passage, queries, keep_whole=keep_whole), queries


def label_matrix(batch: Sequence[Example], pairs: Sequence[tuple[Query, int]]) -> list[list[int]]:
    """Return (n_q, n_p) labels: own passage, negative, or neither (also right, or a duplicate)."""
    rows = []
    for query, place in pairs:
        own = batch[place]
        right = own.right[query.id]
        row = [
            IGNORED if other.group == own.group or other.passage.id in right else NEGATIVE
            for other in batch
        ]
        row[place] = OWN
        rows.append(row)
    return rows
