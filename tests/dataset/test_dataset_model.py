"""Datasets in memory: what a split holds, which split is meant, which parts do not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from homing.dataset import Dataset, check_dataset, pick_split
from homing.errors import UsageError
from homing.types import Passage, Qrel, Query


def passage(passage_id: str, text: str, *heading_path: str) -> Passage:
    return Passage(passage_id, "handbook", 0, len(text), text, heading_path)


HANDBOOK = Dataset(
    corpus={
        "leave": passage("leave", "Parents may take sixteen weeks.", "Handbook", "Leave"),
        "leave-2": passage("leave-2", "Parents may take sixteen weeks.", "Handbook", "Family"),
        "travel": passage("travel", "Trains are preferred to planes."),
    },
    queries={
        "q1": Query("q1", "how long is parental leave?"),
        "q2": Query("q2", "may I fly to Paris?"),
    },
    qrels={
        "train": [Qrel("q2", "travel"), Qrel("q2", "leave", 0)],
        "test": [Qrel("q1", "leave", 1), Qrel("q1", "leave", 2)],
    },
    groups={"leave": "leave", "leave-2": "leave", "travel": "travel"},
)


def test_the_text_of_a_passage_is_preceded_by_its_title() -> None:
    assert HANDBOOK.passage_texts() == [
        "Handbook > Leave\nParents may take sixteen weeks.",
        "Handbook > Family\nParents may take sixteen weeks.",
        "Trains are preferred to planes.",
    ]
    assert HANDBOOK.passage_ids() == ["leave", "leave-2", "travel"]
    assert (HANDBOOK.n_passages, HANDBOOK.n_queries) == (3, 2)


def test_a_split_holds_relevant_passages_alone_with_their_highest_grade() -> None:
    assert HANDBOOK.split("train") == {"q2": {"travel": 1}}
    assert HANDBOOK.split("test") == {"q1": {"leave": 2}}


def test_an_unknown_split_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no split 'dev'.*train \(1 questions\), test"):
        HANDBOOK.split("dev")


def test_groups_hold_every_passage_once() -> None:
    assert HANDBOOK.group_members() == {"leave": ["leave", "leave-2"], "travel": ["travel"]}
    imported = replace(HANDBOOK, groups={})
    assert imported.group_members() == {p: [p] for p in ("leave", "leave-2", "travel")}


def test_the_split_is_the_one_asked_for_else_the_preferred_else_the_only_one() -> None:
    assert pick_split(HANDBOOK, "test") == "test"
    assert pick_split(HANDBOOK, "test", asked="train") == "train"
    single = replace(HANDBOOK, qrels={"all": HANDBOOK.qrels["test"], "dev": []})
    assert pick_split(single, "train") == "all"


def test_a_split_that_cannot_be_chosen_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"no split 'dev' to take.*--split"):
        pick_split(HANDBOOK, "dev")
    with pytest.raises(UsageError, match="holds no question with an answer"):
        pick_split(replace(HANDBOOK, qrels={"dev": []}), "dev", asked="dev")
    with pytest.raises(UsageError, match="No split"):
        pick_split(replace(HANDBOOK, qrels={}), "test")


def test_judgements_about_unknown_passages_are_counted_and_the_first_is_named() -> None:
    qrels = {"test": [Qrel("q1", "leave"), Qrel("q1", "gone"), Qrel("q2", "also gone")]}
    with pytest.raises(UsageError, match=r"2 of 3 judgements.*'test'.*passage.*'gone'"):
        check_dataset(replace(HANDBOOK, qrels=qrels), "handbook/")
    with pytest.raises(UsageError, match=r"1 of 1 judgements.*a query .*'q9'"):
        check_dataset(replace(HANDBOOK, qrels={"test": [Qrel("q9", "leave")]}), "handbook/")


def test_a_split_whose_name_is_no_file_name_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be used as a file name"):
        check_dataset(replace(HANDBOOK, qrels={"../test": []}), "handbook/")
