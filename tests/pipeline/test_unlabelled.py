"""Questions without a label: of every passage that training may see, the same each time."""

from __future__ import annotations

from dataclasses import replace

from homing.dataset import Dataset
from homing.pipeline.unlabelled import unlabelled_questions
from homing.training.settings import QuerySettings, TrainingSettings
from homing.types import Passage, Qrel, Query

SETTINGS = TrainingSettings(recipe="query", device="cpu")
TEXTS = {
    "leave": "Parents may take twenty weeks of paid leave after a birth. Managers approve "
    "a request for unpaid leave within ten working days of its receipt.",
    "travel": "Employees book second class trains for journeys below four hours. Receipts are kept "
    "by every traveller until the refund has arrived on the account.",
    "laptop": "Lost laptops are reported to the service desk within one hour. The service desk "
    "locks a lost device from afar and orders a new one on the same day.",
}


def dataset() -> Dataset:
    corpus = {name: Passage(name, "handbook", 0, len(t), t) for name, t in TEXTS.items()}
    queries = {name: Query(name, f"what about {name}?") for name in TEXTS}
    qrels = {"train": [Qrel("leave", "leave")], "test": [Qrel("laptop", "laptop")]}
    return Dataset(corpus, queries, qrels)


def test_they_are_asked_of_what_nobody_asked_about_but_never_of_what_tests_ask_about() -> None:
    questions = unlabelled_questions(dataset(), "train", SETTINGS)
    said = " ".join(questions).lower()
    assert "receipts" in said or "trains" in said
    assert "leave" in said
    assert "laptop" not in said
    assert "service desk" not in said


def test_equal_seeds_give_equal_questions() -> None:
    first, second = (unlabelled_questions(dataset(), "train", SETTINGS) for _ in range(2))
    assert first == second
    assert unlabelled_questions(dataset(), "train", replace(SETTINGS, seed=5)) != first


def test_no_more_passages_than_allowed() -> None:
    few = replace(SETTINGS, max_offline_passages=1)
    every = unlabelled_questions(dataset(), "train", SETTINGS)
    assert 0 < len(unlabelled_questions(dataset(), "train", few)) < len(every)


def test_recipes_without_a_teacher_get_none() -> None:
    assert unlabelled_questions(dataset(), "train", replace(SETTINGS, recipe="full")) == []
    for own in (QuerySettings(offline_questions=0), QuerySettings(teacher_weight=0)):
        assert unlabelled_questions(dataset(), "train", replace(SETTINGS, query=own)) == []
    assert unlabelled_questions(dataset(), "train", replace(SETTINGS, recipe="static"))
