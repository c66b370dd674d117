"""The writer that needs no model: its questions, and what it takes out of the passage."""

from __future__ import annotations

import random

import pytest

from homing.training.examples import view
from homing.types import Passage, Query, Question, Rejection
from homing.writing.extractive import KINDS, ExtractiveWriter
from homing.writing.headings import heading_question
from homing.writing.instructions import how_to_question
from homing.writing.sentences import sentence_spans
from homing.writing.statements import statement_question

PASSAGES = [
    Passage(
        id="leave",
        document_id="handbook",
        start=0,
        end=0,
        text=(
            "Parents may take twenty weeks of paid leave after a birth or an adoption. "
            "The weeks can be split into two blocks within the first year of the child. "
            "Submit the leave form to the people team eight weeks before the leave begins. "
            "Whoever returns part-time keeps the right to a full position for three years."
        ),
        heading_path=("Handbook", "2.1 Parental leave and adoption"),
    ),
    Passage(
        id="travel",
        document_id="handbook",
        start=0,
        end=0,
        text=(
            "Trains are booked in second class, flights only where a train takes over six hours. "
            "Keep every receipt until the refund has arrived on your account. "
            "Hotels in the list of partner houses are paid by the company directly."
        ),
        heading_path=("Handbook", "Business travel"),
    ),
    Passage("code", "handbook", 0, 0, "`f(a=1, b=2)`", ("Handbook",)),
]


def questions(**settings: object) -> list[Question]:
    writer = ExtractiveWriter(**settings)  # type: ignore[arg-type]
    return [item for item in writer.write(PASSAGES) if isinstance(item, Question)]


def test_every_kind_is_written_and_labelled() -> None:
    assert {q.kind for q in questions(questions_per_passage=6, kinds=KINDS)} == set(KINDS)
    assert {q.writer for q in questions()} == {"extractive"}


def test_what_was_asked_is_not_in_the_view_that_training_shows() -> None:
    texts = {p.id: p for p in PASSAGES}
    for question in questions(questions_per_passage=6, kinds=KINDS):
        query = Query("q", question.text, masked=question.masked, masks_title=question.masks_title)
        shown = view(texts[question.passage_id], [query]).lower()
        changes_form = question.kind in {"how_to", "statement"}
        assert changes_form or question.text.lower() not in shown


def test_masked_spans_lie_in_the_passage() -> None:
    lengths = {p.id: len(p.text) for p in PASSAGES}
    for question in questions():
        for start, end in question.masked:
            assert 0 <= start < end <= lengths[question.passage_id]


def test_code_alone_is_a_rejection_with_its_text() -> None:
    rejected = [r for r in ExtractiveWriter().write(PASSAGES) if isinstance(r, Rejection)]
    assert [(r.item_id, r.reason, r.text) for r in rejected] == [
        ("code", "nothing_to_ask", "`f(a=1, b=2)`")
    ]


def test_the_same_seed_gives_the_same_questions_and_another_gives_others() -> None:
    assert questions(seed=1) == questions(seed=1)
    assert questions(seed=1) != questions(seed=2)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("Handbook", "2.1 Parental leave and adoption"), "Parental leave and adoption"),
        (("Item 1A. Risk Factors",), "Risk Factors"),
        (("Business travel", "Overview"), "Business travel Overview"),
        (("os.path", "os.path.common_prefix"), ""),
        (("Mocks", "assertRaisesRegex(pattern)"), ""),
        (("handbook.md", "Leave for parents", "Notes"), "Leave for parents Notes"),
        (("How do I reset my password?",), "How do I reset my password?"),
        (("Overview",), ""),
        ((), ""),
    ],
)
def test_a_heading_becomes_a_question(path: tuple[str, ...], expected: str) -> None:
    assert heading_question(path) == expected


def test_an_instruction_is_asked_as_a_person_would() -> None:
    asked = how_to_question("Returns the longest common prefix of the paths.", random.Random(0))
    assert asked.endswith("get the longest common prefix of the paths")
    assert how_to_question("The paths have a common prefix, if any.", random.Random(0)) == ""


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Revenue is recognized when the ride ends.", "when is Revenue recognized"),
        ("The fee was waived because of the storm.", "why was the fee waived"),
        ("If a ride is cancelled late, a fee applies.", "what happens if a ride is cancelled late"),
        ("To reset your password, open the settings.", "how to reset your password"),
        ("A lease is a contract that gives a right of use.", "what is a lease"),
        ("Operating expenses include salaries and rent.", "what do Operating expenses include"),
        ("In 2021, we offer insurance to all of our staff.", "what does the company offer"),
        ("Coverage depends on the country.", "what does Coverage depend on"),
    ],
)
def test_a_statement_becomes_the_question_that_it_answers(sentence: str, expected: str) -> None:
    assert statement_question(sentence, random.Random(0)) == expected


@pytest.mark.parametrize(
    "sentence",
    [
        "This is what it does.",
        "They may be changed when it suits them.",
        "Drivers who are late are not paid.",
        "Die Eltern können zwanzig Wochen Urlaub nehmen.",
        "Annual Report on Form 10-K",
        "",
    ],
)
def test_a_statement_that_points_elsewhere_or_has_another_shape_is_not_asked(sentence: str) -> None:
    assert statement_question(sentence, random.Random(0)) == ""


def test_where_no_form_can_be_changed_sentences_are_asked_and_taken_out() -> None:
    text = (
        "Eltern nehmen zwanzig Wochen bezahlten Urlaub nach einer Geburt. "
        "Die Wochen lassen sich im ersten Jahr des Kindes in zwei Teile teilen. "
        "Das Formular liegt acht Wochen vorher in der Personalabteilung."
    )
    passage = Passage("de", "handbuch", 0, len(text), text)
    written = [q for q in ExtractiveWriter().write([passage]) if isinstance(q, Question)]
    assert {q.kind for q in written} == {"sentence", "phrase"}
    assert all(q.masked for q in written)


def test_sentences_do_not_end_at_abbreviations() -> None:
    text = "Mr. Smith paid approx. 5 dollars. He left at 4 p.m. and never came back.\nA new line"
    assert [text[a:b] for a, b in sentence_spans(text)] == [
        "Mr. Smith paid approx. 5 dollars.",
        "He left at 4 p.m. and never came back.",
        "A new line",
    ]


def test_chinese_sentences_are_cut_and_asked() -> None:
    text = (
        "公司为每位员工提供二十周的带薪育儿假。假期可以分成两段使用。"
        "请提前八周向人事部门提交申请表格。"
    )
    assert len(sentence_spans(text)) == 3
    passage = Passage("zh", "handbook", 0, len(text), text)
    written = list(ExtractiveWriter().write([passage]))
    assert any(isinstance(item, Question) for item in written)
