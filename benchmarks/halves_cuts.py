"""Two ways to a shorter training that `halves.py` tries and that the package does not offer."""

from __future__ import annotations

import math
import re
import types
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from homing.dataset import Dataset
from homing.retrieval.models import load_sentence_transformer
from homing.training import fitting
from homing.training.losses import embed_by_length

STOP_WORDS = frozenset(
    "the a an of to in and or for is was were are on by as with at from that this it its be which "
    "what how why did does do has have had".split()
)
SHIFTS = 8
"""A window is tried at every eighth part of its length."""


def cut_to_questions(dataset: Dataset, n_tokens: int) -> Dataset:
    """Return a dataset whose labelled passages are cut to what they share with their questions."""
    tokenizer = load_sentence_transformer(None).tokenizer
    asked: dict[str, list[str]] = {}
    for qrel in dataset.qrels["train"]:
        asked.setdefault(qrel.passage_id, []).append(dataset.queries[qrel.query_id].text)
    passages = Counter(word for p in dataset.corpus.values() for word in set(stems(p.text)))
    n = dataset.n_passages
    rarity = {word: math.log((n + 1) / (count + 1)) for word, count in passages.items()}
    corpus = {
        key: replace(passage, text=window(passage.text, asked[key], n_tokens, rarity, tokenizer))
        if key in asked
        else passage
        for key, passage in dataset.corpus.items()
    }
    return replace(dataset, corpus=corpus)


def window(
    text: str,
    questions: Sequence[str],
    n_tokens: int,
    rarity: Mapping[str, float],
    tokenizer: Any,
) -> str:
    """Return the run of so many tokens whose words the questions share, rare words first."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)[
        "offset_mapping"
    ]
    if len(offsets) <= n_tokens:
        return text
    wanted = Counter(word for question in questions for word in set(stems(question)))
    last = len(offsets) - n_tokens

    def at(start: int) -> str:
        return text[offsets[start][0] : offsets[start + n_tokens - 1][1]]

    def shared(start: int) -> float:
        words = set(stems(at(start)))
        return sum(rarity.get(w, 0.0) * times for w, times in wanted.items() if w in words)

    starts = [*range(0, last, max(1, n_tokens // SHIFTS)), last]
    return at(max(starts, key=lambda start: (shared(start), -start)))


def stems(text: str) -> list[str]:
    """Return the words of a text that say something, without their commonest endings."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return [re.sub(r"(ing|ed|es|s)$", "", word) for word in words if word not in STOP_WORDS]


@contextmanager
def gradient_through(share: float) -> Iterator[None]:
    """Let the gradient go through a share of each batch's passages, and through all questions."""
    made = fitting.make_loss

    def make_loss(*arguments: Any, **keywords: Any) -> Any:
        loss = made(*arguments, **keywords)
        loss.forward = types.MethodType(_forward(share), loss)
        return loss

    if share < 1:
        fitting.make_loss = make_loss
    try:
        yield
    finally:
        fitting.make_loss = made


def _forward(share: float) -> Any:
    import torch

    generator = torch.Generator().manual_seed(0)

    def forward(loss: Any, features: list[dict[str, Any]], labels: Any) -> Any:
        passages, questions = loss.prepared(features)
        n = len(passages["attention_mask"])
        n_hot = math.ceil(share * n)
        order = torch.randperm(n, generator=generator)
        hot, cold = order[:n_hot].sort().values, order[n_hot:].sort().values

        def taken(rows: Any) -> dict[str, Any]:
            return {
                key: value[rows] if torch.is_tensor(value) and value.ndim else value
                for key, value in passages.items()
            }

        parts = [loss.embed(taken(hot))] if len(hot) else []
        if len(cold):
            with torch.no_grad():
                parts.append(loss.embed(taken(cold)))
        embedded = torch.cat(parts)[torch.cat([hot, cold]).argsort()]
        return loss.contrast(embed_by_length(loss.embed, questions, 4), embedded, labels)

    return forward
