"""The dataset, put together: every question on one side, and nothing shared between two."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.curation import audit, build_dataset, split_passages
from homing.types import Passage, Qrel, Query, Question, query_id


def passages(n: int) -> list[Passage]:
    return [
        Passage(f"p{i}", f"d{i}", 0, 9, f"Passage number {i} of the handbook.") for i in range(n)
    ]


def written(text: str, passage_id: str) -> Question:
    return Question(text, passage_id, "cloze", "extractive", "", ((0, 7),), True)


def asked(*pairs: tuple[str, str]) -> tuple[list[Query], list[Qrel]]:
    queries = {query_id(text): Query(query_id(text), text, "asked", "person") for text, _ in pairs}
    return list(queries.values()), [Qrel(query_id(text), p) for text, p in pairs]


CORPUS = passages(6)
SIDES = {"p0": "train", "p1": "train", "p2": "dev", "p3": "test", "p4": "held_out", "p5": "train"}


def test_written_questions_go_to_the_side_of_their_passage_with_their_masks() -> None:
    questions = [written(f"what is {i}?", f"p{i}") for i in range(4)]
    built = build_dataset(CORPUS, {"p0": "p0"}, questions, SIDES)
    dataset = built.dataset
    assert {name: list(dataset.split(name).values()) for name in dataset.splits} == {
        "train": [{"p0": 1}, {"p1": 1}],
        "dev": [{"p2": 1}],
        "test": [{"p3": 1}],
    }
    query = dataset.queries[query_id("what is 0?")]
    assert (query.kind, query.writer, query.masked, query.masks_title) == (
        "cloze",
        "extractive",
        ((0, 7),),
        True,
    )
    assert dataset.passage_ids() == [p.id for p in CORPUS]
    assert dataset.groups == {"p0": "p0"}
    assert (built.kept, built.dropped, built.not_taken) == (questions, [], [])


def test_the_test_of_people_is_theirs_alone() -> None:
    questions = [written(f"what is {i}?", f"p{i}") for i in range(5)]
    test = asked(("who is four?", "p4"))
    built = build_dataset(CORPUS, {}, questions, SIDES, asked_test=test)
    dataset = built.dataset
    assert dataset.split("test") == {query_id("who is four?"): {"p4": 1}}
    assert [(r.reason, r.text) for r in built.dropped] == [
        ("held_out", "what is 3?"),
        ("held_out", "what is 4?"),
    ]
    assert len(dataset.queries) == 4
    assert audit(dataset).clean


def test_a_test_question_whose_passage_was_not_held_out_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="p0 of a test question was not held out"):
        build_dataset(CORPUS, {}, [], SIDES, asked_test=asked(("who is zero?", "p0")))


def test_training_questions_of_people_go_to_the_side_of_their_answer() -> None:
    train = asked(
        ("who is zero?", "p0"),
        ("who is two?", "p2"),
        ("who is four?", "p4"),
        ("who are they?", "p1"),
        ("who are they?", "p5"),
        ("who are they?", "p2"),
    )
    built = build_dataset(CORPUS, {}, [], SIDES, asked_train=train)
    dataset = built.dataset
    assert dataset.split("train") == {
        query_id("who is zero?"): {"p0": 1},
        query_id("who are they?"): {"p1": 1, "p5": 1},
    }
    assert dataset.split("dev") == {query_id("who is two?"): {"p2": 1}}
    assert [(r.reason, r.text) for r in built.not_taken] == [
        ("held_out", "who is four?"),
        ("answer_on_other_side", "who are they?"),
    ]


def test_a_question_in_two_splits_stays_in_the_one_that_measures() -> None:
    questions = [
        written("Who signs the lease?", "p0"),
        written("who signs the lease", "p3"),
        written("who pays the rent?", "p1"),
        written("WHO pays the rent", "p2"),
    ]
    built = build_dataset(CORPUS, {}, questions, SIDES)
    dataset = built.dataset
    assert [(r.reason, r.text) for r in built.dropped] == [
        ("also_in_test", "Who signs the lease?"),
        ("also_in_dev", "who pays the rent?"),
    ]
    assert dataset.split("train") == {}
    assert len(dataset.split("dev")) == len(dataset.split("test")) == 1
    assert audit(dataset).clean


def test_what_people_asked_comes_before_the_same_question_written() -> None:
    question = written("who signs the lease", "p1")
    people = asked(("Who signs the lease?", "p0"))
    built = build_dataset(CORPUS, {}, [question], SIDES, asked_train=people)
    (dropped,) = built.dropped
    assert built.kept == built.not_taken == []
    assert built.dataset.split("train") == {query_id("Who signs the lease?"): {"p0": 1}}
    assert dropped.reason == "duplicate_question"


def modelled(text: str, passage_id: str) -> Question:
    return Question(text, passage_id, "factual", "openai:gpt-5-mini")


def test_a_further_answer_comes_in_with_its_grade_behind_the_own_passage() -> None:
    key = query_id("who pays?")
    more = [Qrel(key, "p5", 1), Qrel(key, "p0", 2), Qrel(key, "p1", 2), Qrel(key, "p5", 2)]
    questions = [modelled("who pays?", "p0"), modelled("what is due?", "p1")]
    built = build_dataset(CORPUS, {}, questions, SIDES, more_answers=more)
    assert built.dataset.qrels["train"] == [
        Qrel(key, "p0", 2),
        Qrel(key, "p5", 2),
        Qrel(key, "p1", 2),
        Qrel(query_id("what is due?"), "p1", 1),
    ]
    assert built.more_answers == {2: 2}
    assert built.n_elsewhere == 0


def test_a_further_answer_on_another_side_is_left_out_and_counted() -> None:
    key = query_id("who pays?")
    more = [Qrel(key, "p0", 2), *(Qrel(key, p, 2) for p in ("p2", "p3", "p4")), Qrel(key, "p1", 1)]
    built = build_dataset(CORPUS, {}, [modelled("who pays?", "p0")], SIDES, more_answers=more)
    assert built.dataset.split("train") == {key: {"p0": 2, "p1": 1}}
    assert (built.more_answers, built.n_elsewhere) == ({1: 1}, 3)
    assert audit(built.dataset).clean


def test_what_people_asked_gets_no_answers_from_a_judge() -> None:
    key = query_id("who pays?")
    people = asked(("who pays?", "p0"))
    built = build_dataset(
        CORPUS,
        {},
        [modelled("who pays?", "p0")],
        SIDES,
        asked_train=people,
        more_answers=[Qrel(key, "p0", 2), Qrel(key, "p1", 2)],
    )
    assert built.dataset.split("train") == {key: {"p0": 1}}
    assert (built.more_answers, built.n_elsewhere) == ({}, 0)


texts = st.sampled_from(["who?", "Who", "who pays?", "what is due?", "what is due", "when?"])


@settings(max_examples=80, deadline=None)
@given(st.data(), st.integers(1, 12), st.booleans())
def test_nothing_is_shared_and_nothing_vanishes(
    data: st.DataObject, n: int, people_test: bool
) -> None:
    corpus = passages(n)
    groups = {p.id: data.draw(st.sampled_from(["a", "b", p.id])) for p in corpus}
    some = st.lists(st.tuples(texts, st.sampled_from([p.id for p in corpus])), max_size=5)
    test = asked(*data.draw(some)) if people_test else None
    train = asked(*data.draw(some))
    questions = [written(text, p) for text, p in data.draw(some)]
    sides = split_passages(
        corpus,
        groups,
        dev_fraction=0.2,
        test_fraction=0 if people_test else 0.2,
        seed=1,
        held_out=[q.passage_id for q in test[1]] if test else [],
    )
    ids = [p.id for p in corpus]
    more = [
        Qrel(query_id(text), p, grade)
        for text, p, grade in data.draw(
            st.lists(st.tuples(texts, st.sampled_from(ids), st.sampled_from([1, 2])), max_size=8)
        )
    ]
    built = build_dataset(
        corpus,
        groups,
        questions,
        sides,
        asked_test=test,
        asked_train=train,
        more_answers=more,
    )
    dataset, rejections = built.dataset, built.dropped + built.not_taken
    assert len(built.kept) + len(built.dropped) == len(questions)
    assert audit(dataset).clean
    if test:
        assert {q.query_id for q in dataset.qrels["test"]} == {q.id for q in test[0]}
    came = len(test[0] if test else []) + len(train[0]) + len(questions)
    lost = Counter(r.reason for r in rejections)
    assert dataset.n_queries + lost.total() - lost["answer_on_other_side"] == came
    assert set(dataset.queries) == {q.query_id for qs in dataset.qrels.values() for q in qs}
