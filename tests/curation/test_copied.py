"""Which questions repeat their passage, and who may."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.curation.copied import copied_fraction, drop_copied
from homing.types import Passage, Question, query_id

TEXT = "Parents may take sixteen weeks of paid leave, beginning on the day of birth."
PASSAGES = {"leave": Passage("leave", "handbook", 0, len(TEXT), TEXT)}


def ask(text: str, writer: str = "openai:gpt-5-mini", **more: object) -> Question:
    return Question(text, "leave", "factual", writer, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How long can a mother stay at home after she gives birth?", 0.0),
        ("sixteen weeks leave", 0.0),
        ("sixteen weeks of paid leave", 1.0),
        ("May PARENTS take: sixteen weeks of paid leave?", 6 / 8),
        ("Who may take sixteen weeks of sick leave on the day of birth?", 10 / 13),
        ("weeks sixteen of leave paid, on beginning day the", 0.0),
        ("", 0.0),
    ],
)
def test_words_are_copied_where_four_stand_in_a_row(question: str, expected: float) -> None:
    assert copied_fraction(question, TEXT) == pytest.approx(expected)


def test_chinese_takes_eight_characters_in_a_row() -> None:
    text = "员工可享受十六周带薪育儿假，自孩子出生之日起计算。"
    assert copied_fraction("带薪育儿假有多长时间？", text) == 0.0
    assert copied_fraction("员工可享受十六周带薪育儿假吗？", text) == pytest.approx(13 / 14)


@given(st.lists(st.sampled_from("leave is paid for sixteen weeks".split()), max_size=30))
def test_a_text_is_copied_whole_from_itself_and_never_by_more(words: list[str]) -> None:
    text = " ".join(words)
    assert copied_fraction(text, text) == (1.0 if len(words) >= 4 else 0.0)
    assert 0.0 <= copied_fraction(text, TEXT) <= 1.0
    assert 0.0 <= copied_fraction(TEXT, text) <= 1.0


def test_a_question_that_copies_too_much_is_rejected() -> None:
    copy = ask("May parents take sixteen weeks of paid leave?")
    asked = [ask("How long can a mother stay at home?"), copy, ask("paid leave")]
    kept, (rejection,) = drop_copied(asked, PASSAGES, most=0.5)
    assert kept == [asked[0], asked[2]]
    assert rejection.reason == "copied_text"
    assert rejection.stage == "curate"
    assert rejection.item_id == query_id(copy.text)
    assert rejection.text == copy.text
    assert "75%" in rejection.detail
    assert drop_copied(asked, PASSAGES, most=1.0) == (asked, [])


def test_the_offline_writer_may_copy_since_it_hides_what_it_copied() -> None:
    text = "parents may take sixteen weeks of paid leave"
    asked = [ask(text, "extractive"), ask(text, masked=((0, 44),))]
    assert drop_copied(asked, PASSAGES, most=0.5) == (asked, [])


def test_a_question_about_an_unknown_passage_is_left_to_others() -> None:
    lost = Question("sixteen weeks of paid leave", "gone", "factual", "openai:gpt-5-mini")
    assert drop_copied([lost], PASSAGES, most=0.0) == ([lost], [])


@pytest.mark.parametrize("writer", ["gpt-3.5-turbo", "mistral-7b-instruct"])
def test_language_models_copy_half_of_one_question_in_twelve(
    shared_data: Path, writer: str
) -> None:
    path = shared_data / "sec10k" / writer / "val_dataset.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    passages = {key: Passage(key, "uber", 0, len(t), t) for key, t in table["corpus"].items()}
    asked = [
        Question(text, table["relevant_docs"][key][0], "factual", writer)
        for key, text in table["queries"].items()
    ]
    kept, rejections = drop_copied(asked, passages, most=0.5)
    assert len(kept) + len(rejections) == len(asked)
    assert 0.06 < len(rejections) / len(asked) < 0.10
