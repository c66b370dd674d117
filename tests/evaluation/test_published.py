"""Our numbers under the names of the original experiment's tables."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from homing.evaluation.contenders import Contender
from homing.evaluation.evaluate import evaluate
from homing.evaluation.published import HIT_RATE, published_columns, published_table
from homing.types import Passage, Qrel, Query


def handbook():
    from homing.dataset import Dataset

    texts = {
        "leave": "Parents take sixteen weeks of leave.",
        "travel": "Trains are booked by the office.",
        "phones": "A lost phone is reported at once.",
        "doors": "Doors are locked at nine.",
    }
    asked = {"leave": "how many weeks do parents take", "travel": "who books trains"}
    return Dataset(
        {key: Passage(key, "", 0, len(text), text) for key, text in texts.items()},
        {f"q-{key}": Query(f"q-{key}", text) for key, text in asked.items()},
        {"test": [Qrel(f"q-{key}", key) for key in asked]},
    )


def test_sentence_transformers_evaluator_writes_the_same_numbers(
    tiny_model: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    dataset = handbook()
    evaluation = evaluate(dataset, [Contender("base", str(tiny_model))], split="test")
    relevant = {query: set(grades) for query, grades in dataset.split("test").items()}
    InformationRetrievalEvaluator(
        {key: query.text for key, query in dataset.queries.items()},
        {key: passage.text for key, passage in dataset.corpus.items()},
        relevant,
        name="handbook",
    )(SentenceTransformer(str(tiny_model), device="cpu"), output_path=str(tmp_path))
    (table,) = tmp_path.rglob("*.csv")
    theirs = next(csv.DictReader(table.open()))
    ours = published_columns(evaluation.contenders["base"].measures)
    compared = [name for name in theirs if name in ours]
    assert len(compared) == len(ours) - 1  # all but the hit rate, which is not theirs
    for name in compared:
        assert ours[name] == pytest.approx(float(theirs[name])), name
    assert ours[HIT_RATE] == ours["cosine-Accuracy@5"]


def test_the_table_has_a_row_for_every_contender() -> None:
    evaluation = evaluate(handbook(), [Contender("words", "bm25")], split="test")
    (row,) = csv.DictReader(published_table(evaluation).splitlines())
    assert row["contender"] == "words"
    assert float(row["hit_rate@5"]) == 1.0
