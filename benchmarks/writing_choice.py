"""A quarter of the passages asked about: those that differ most, against any.

gpt-3.5-turbo's questions about each passage of Lyft's annual report are known, so that asking about
a passage is taking its questions. The base model learns from those of a quarter of the passages,
chosen by `--max-passages` or drawn at random, and is measured on Mistral-7B's questions about
Uber's report. One draw and one training for each seed; the weights after the last step are taken,
since a dev set of a few passages decides nothing.
"""

from __future__ import annotations

import random
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import homing
from homing.curation.boilerplate import boilerplate_reason
from homing.curation.duplicates import find_groups
from homing.dataset import Dataset, load_dataset
from homing.evaluation.significance import paired_difference
from homing.progress import say
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import encoder_for
from homing.types import Encoder, Evaluation, passage_input
from homing.writing.choosing import choose_passages

TRAINED, TESTED = "gpt-3.5-turbo", "mistral-7b-instruct"
SHARE = 4
SPLIT = "all"
MEASURES = ("ndcg@10", "hit@5")
CHOICES = ("random", "diverse")


def run(given: Namespace) -> dict[str, Any]:
    """Return the measures of the base, of both choices by seed, and of all passages."""
    train = first(load_dataset(given.data / TRAINED / "train_dataset.json"), given.passages)
    test = first(load_dataset(given.data / TESTED / "val_dataset.json"), given.passages)
    encoder = CachedEncoder(encoder_for(max_tokens=given.max_tokens))
    orders = {seed: orders_of(train, seed, encoder) for seed in given.seeds}
    n = len(train.corpus) // SHARE
    rows = [evaluated("base", 0, test, homing.DEFAULT_BASE_MODEL, given.max_tokens)]
    for seed, order in orders.items():
        for choice in CHOICES:
            say(f"choice: {choice}, seed {seed}, {n} passages")
            part = about(train, order[choice][:n])
            rows.append(tuned(choice, seed, part, test, given.max_tokens))
    say("choice: all passages")
    rows.append(tuned("all", given.seeds[0], train, test, given.max_tokens))
    clusters = [next(iter(grades)) for grades in test.split(SPLIT).values()]
    return {
        "trained_on": TRAINED,
        "tested_on": TESTED,
        "n_passages": len(train.corpus),
        "n_chosen": n,
        "n_test": len(clusters),
        "n_test_passages": len(set(clusters)),
        "max_tokens": given.max_tokens,
        "rows": [{k: v for k, v in row.items() if k != "by_query"} for row in rows],
        "diverse_minus_random": {m: difference(rows, m, clusters) for m in MEASURES},
    }


def orders_of(dataset: Dataset, seed: int, encoder: Encoder) -> dict[str, list[str]]:
    """Return the passage ids in the order in which either choice asks about them."""
    passages = list(dataset.corpus.values())
    vectors = encoder.encode_passages([passage_input(p.title, p.text) for p in passages])
    diverse = choose_passages(
        passages,
        vectors,
        n=len(passages),
        groups=find_groups(passages),
        last=[p.id for p in passages if boilerplate_reason(p)],
        seed=seed,
    )
    drawn = sorted(dataset.corpus)
    random.Random(seed).shuffle(drawn)
    return {"diverse": diverse, "random": drawn}


def first(dataset: Dataset, n: int | None) -> Dataset:
    """Return the dataset of the first passages; None keeps all."""
    corpus = dict(list(dataset.corpus.items())[:n])
    part = about(dataset, list(corpus))
    return Dataset(corpus, part.queries, part.qrels)


def about(dataset: Dataset, passage_ids: Sequence[str]) -> Dataset:
    """Return the dataset with the questions about these passages alone; the corpus stays whole."""
    chosen = frozenset(passage_ids)
    qrels = [qrel for qrel in dataset.qrels[SPLIT] if qrel.passage_id in chosen]
    queries = {qrel.query_id: dataset.queries[qrel.query_id] for qrel in qrels}
    return Dataset(dataset.corpus, queries, {SPLIT: qrels})


def tuned(choice: str, seed: int, train: Dataset, test: Dataset, max_tokens: int) -> dict[str, Any]:
    """Return what the base model has learned from these questions."""
    settings = homing.TrainingSettings(max_tokens=max_tokens, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        log = homing.train(train, out=out, settings=settings, dev_fraction=0.0)
        row = evaluated(choice, seed, test, str(out), max_tokens)
    return {**row, "n_questions": train.n_queries, "train_s": log.seconds}


def evaluated(choice: str, seed: int, test: Dataset, model: str, max_tokens: int) -> dict[str, Any]:
    """Return the measures of one model."""
    found: Evaluation = homing.evaluate(test, {"it": model}, max_tokens=max_tokens)
    means = {m: float(found.by_query["it"][m].mean()) for m in MEASURES}
    say(f"choice:   {choice}: nDCG@10 {means['ndcg@10']:.3f}, hit@5 {means['hit@5']:.3f}")
    by_query = {m: found.by_query["it"][m] for m in MEASURES}
    return {"choice": choice, "seed": seed, **means, "by_query": by_query}


def difference(
    rows: Sequence[Mapping[str, Any]], measure: str, clusters: Sequence[str]
) -> dict[str, float]:
    """Return the mean difference over the seeds, paired by question, with its 95 % interval."""
    mean = {
        choice: np.mean([r["by_query"][measure] for r in rows if r["choice"] == choice], axis=0)
        for choice in CHOICES
    }
    found, p_value = paired_difference(mean["diverse"], mean["random"], clusters, seed=0)
    return {"value": found.value, "low": found.low, "high": found.high, "p_value": p_value}
