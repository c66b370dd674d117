"""Asked questions find the passages that answer them, or say why not."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.curation.questions import AskedQuestion, match_questions
from homing.curation.quotes import condensed, find_places
from homing.types import Document, Heading, Passage, Rejection, content_id

LEAVE = """\
Parental leave
Parents may take sixteen weeks of paid leave. It begins on the day of birth.
They tell their manager “as soon as they can”, but at least six weeks before.
Sick leave
Whoever is ill calls in by nine o'clock. From the third day a doctor's note is needed.
Contact
Ask Kim.
"""
TRAVEL = """\
Contact
Write to travel@example.org, or ring extension 1234 before the trip begins.
Booking
Trains are preferred to planes for trips of less than 600 km, unless the train takes longer
than eight hours. In 2023 the company paid 4,200 euros for flights.
"""


def cut(path: str, text: str, *sentences: tuple[str, str]) -> tuple[Document, list[Passage]]:
    """Return a document and its passages, given as (heading, text from the document)."""
    document = Document(content_id(path, text), path, path.split("/")[-1].split(".")[0], text)
    passages = []
    for heading, sentence in sentences:
        start = text.index(sentence)
        passages.append(
            Passage(
                content_id(path, sentence),
                document.id,
                start,
                start + len(sentence),
                sentence,
                (document.title, heading),
            )
        )
    return document, passages


LEAVE_DOCUMENT, LEAVE_PASSAGES = cut(
    "hr/leave.md",
    LEAVE,
    (
        "Parental leave",
        "Parents may take sixteen weeks of paid leave. It begins on the day of birth.",
    ),
    (
        "Parental leave",
        "They tell their manager “as soon as they can”, but at least six weeks before.",
    ),
    ("Sick leave", LEAVE[LEAVE.index("Whoever") : LEAVE.index("\nContact")]),
    ("Contact", "Ask Kim."),
)
TRAVEL_DOCUMENT, TRAVEL_PASSAGES = cut(
    "travel.md",
    TRAVEL,
    ("Contact", TRAVEL[TRAVEL.index("Write") : TRAVEL.index("\nBooking")]),
    ("Booking", TRAVEL[TRAVEL.index("Trains") :].rstrip()),
)
DOCUMENTS = [LEAVE_DOCUMENT, TRAVEL_DOCUMENT]
PASSAGES = [*LEAVE_PASSAGES, *TRAVEL_PASSAGES]
BIRTH, MANAGER, SICK, KIM = LEAVE_PASSAGES
EXTENSION, TRAINS = TRAVEL_PASSAGES


def answers(question: str = "what is it?", **given_: str) -> list[Passage]:
    queries, qrels, rejections = match_questions(
        [AskedQuestion(question, **given_)], DOCUMENTS, PASSAGES
    )
    assert rejections == []
    assert [(q.writer, q.kind) for q in queries] == [("person", "asked")]
    by_id = {p.id: p for p in PASSAGES}
    assert all(q.query_id == queries[0].id and q.grade == 1 for q in qrels)
    return [by_id[q.passage_id] for q in qrels]


def rejection(question: str = "what is it?", line: int = 0, **given_: str) -> Rejection:
    asked = [AskedQuestion(question, line=line, **given_)]
    queries, qrels, (only,) = match_questions(asked, DOCUMENTS, PASSAGES)
    assert (queries, qrels) == ([], [])
    assert only.stage == "curate"
    return only


@pytest.mark.parametrize(
    "quote",
    [
        "sixteen weeks of paid leave",
        "SIXTEEN\n  weeks of   paid leave",
        "Parents may take sixteen weeks of paid leave. It begins on the day of birth.",
        "birth",
    ],
)
def test_a_quote_is_found_whatever_its_case_and_line_breaks(quote: str) -> None:
    assert answers(quote=quote) == [BIRTH]


@pytest.mark.parametrize(
    "quote",
    [
        'their manager "as soon as they can"',
        "at least six\u00a0weeks before",
        "‘as soon as they can’",
    ],
)
def test_the_typography_of_quotes_and_spaces_makes_no_difference(quote: str) -> None:
    assert answers(quote=quote.replace("‘", "“").replace("’", "”")) == [MANAGER]


def test_a_quote_that_crosses_a_border_belongs_to_the_passage_with_the_larger_part() -> None:
    assert answers(quote="on the day of birth. They tell") == [BIRTH]
    assert answers(quote="birth. They tell their manager “as soon as they can”") == [MANAGER]
    assert answers(quote=LEAVE[LEAVE.index("Parents") : LEAVE.index("\nSick")]) == [MANAGER]


def test_a_quote_with_small_mistakes_is_found_but_not_with_another_number() -> None:
    assert answers(quote="Trains are prefered to plane for trips of less then 600 km") == [TRAINS]
    wrong = rejection(quote="Trains are preferred to planes for trips of less than 500 km")
    assert wrong.reason == "no_passage_matches"


def test_a_short_quote_is_made_of_whole_words() -> None:
    assert answers(quote="ask kim") == [KIM]
    assert answers(quote="trip begins") == [EXTENSION]
    assert rejection(quote="arents may").reason == "no_passage_matches"


def test_the_document_narrows_the_search() -> None:
    assert {p.id for p in answers(quote="weeks")} == {BIRTH.id, MANAGER.id}
    assert answers(quote="begins", document="travel.md") == [EXTENSION]
    assert rejection(quote="sixteen weeks", document="travel.md").reason == "no_passage_matches"


@pytest.mark.parametrize(
    "name", ["hr/leave.md", "leave.md", "Leave", "HR\\leave.md", "/home/kim/handbook/hr/leave.md"]
)
def test_a_document_goes_by_path_file_name_or_stem(name: str) -> None:
    assert answers(quote="begins", document=name) == [BIRTH]


def test_an_unknown_document_is_a_rejection_that_names_the_nearest() -> None:
    unknown = rejection("how long?", 7, quote="sixteen weeks", document="hr/leaves.md")
    assert unknown.reason == "no_such_document"
    assert unknown.detail == (
        "Line 7: There is no document 'hr/leaves.md'. Did you mean 'hr/leave.md'?"
    )
    assert unknown.text == "how long?"


def test_a_heading_stands_for_all_passages_of_its_section() -> None:
    assert answers(heading="Parental leave") == [BIRTH, MANAGER]
    assert answers(heading="leave > parental  leave") == [BIRTH, MANAGER]
    assert answers(heading="Contact", document="travel.md") == [EXTENSION]


def test_a_heading_of_several_sections_is_ambiguous() -> None:
    ambiguous = rejection(heading="Contact")
    assert ambiguous.reason == "ambiguous_heading"
    assert "'leave > Contact' and 'travel > Contact'" in ambiguous.detail


def test_the_case_of_a_heading_decides_between_two() -> None:
    text = "calendar.Calendar\nA class.\ncalendar.calendar\nA function."
    document, passages = cut(
        "calendar.md", text, ("calendar.Calendar", "A class."), ("calendar.calendar", "A function.")
    )
    for passage in passages:
        asked = [AskedQuestion("which?", heading=passage.heading_path[-1])]
        _, (qrel,), _ = match_questions(asked, [document], passages)
        assert qrel.passage_id == passage.id
    _, _, (both,) = match_questions(
        [AskedQuestion("which?", heading="CALENDAR.CALENDAR")], [document], passages
    )
    assert both.reason == "ambiguous_heading"


def test_a_heading_that_was_put_together_with_its_neighbour_is_found_in_the_text() -> None:
    text = "Fees\nLate\n5 euros.\nLost\n20 euros."
    headings = (
        Heading(1, "Fees", 0, 5),
        Heading(2, "Late", 5, 10),
        Heading(2, "Lost", text.index("Lost"), text.index("20")),
    )
    document = Document("fees", "fees.md", "Library", text, headings=headings)
    joined = Passage("p", "fees", 5, len(text), text[5:], ("Library", "Fees"))
    for heading in ("Lost", "Fees > Lost", "Library > Fees > Late"):
        _, (qrel,), _ = match_questions(
            [AskedQuestion("how much?", heading=heading)], [document], [joined]
        )
        assert qrel.passage_id == "p"


def test_a_passage_id_is_taken_as_it_is() -> None:
    assert answers(passage_id=SICK.id, quote="something else") == [SICK]
    assert rejection(passage_id="gone").reason == "no_passage_matches"


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        ({"document": "travel.md"}, "no_answer_given"),
        ({"quote": "the moon is made of cheese"}, "no_passage_matches"),
        ({"quote": "..."}, "quote_too_short"),
        ({"heading": "Moon"}, "no_passage_matches"),
    ],
)
def test_what_cannot_be_matched_is_a_rejection(given_: dict[str, str], reason: str) -> None:
    assert rejection(**given_).reason == reason


def test_a_question_without_words_is_a_rejection() -> None:
    assert rejection("?!", quote="sixteen weeks").reason == "empty_question"


def test_a_short_quote_that_stands_everywhere_is_ambiguous_a_long_one_is_repeated() -> None:
    notice = "This page is confidential and must not be shown to anybody outside of the company."
    passages = [Passage(f"p{i}", f"d{i}", 0, len(notice), notice) for i in range(12)]
    short, long = AskedQuestion("a?", quote="confidential"), AskedQuestion("b?", quote=notice)
    _, qrels, (ambiguous,) = match_questions([short, long], [], passages)
    assert ambiguous.reason == "ambiguous_quote"
    assert len(qrels) == 12


def test_a_question_asked_twice_becomes_one_query_with_both_answers() -> None:
    asked = [
        AskedQuestion("When does leave begin?", quote="day of birth"),
        AskedQuestion("who is ill?", quote="Whoever is ill"),
        AskedQuestion("when  does leave BEGIN?", quote="six weeks before"),
        AskedQuestion("When does leave begin?", quote="day of birth"),
    ]
    queries, qrels, rejections = match_questions(asked, DOCUMENTS, PASSAGES)
    assert [q.text for q in queries] == ["When does leave begin?", "who is ill?"]
    assert [q.passage_id for q in qrels] == [BIRTH.id, MANAGER.id, SICK.id]
    assert rejections == []


@settings(max_examples=60, deadline=None)
@given(st.text("ab \n", max_size=200), st.lists(st.text("ab", min_size=4, max_size=20), max_size=6))
def test_every_place_of_a_quote_is_found(text: str, quotes: Sequence[str]) -> None:
    plain = condensed(text)
    wanted = {str(i): quote for i, quote in enumerate(quotes)}
    expected = {
        (key, m.start()) for key, q in wanted.items() for m in re.finditer(f"(?={q})", plain)
    }
    found = list(find_places(plain, wanted))
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_places_are_found_across_the_slices_of_a_long_text() -> None:
    quote = "the needle in the haystack".replace(" ", "")
    for at in ((1 << 20) - 30, (1 << 20) - 5, (1 << 20), 2_500_000):
        text = "x" * at + quote + "y" * 1000
        assert list(find_places(text, {"q": quote})) == [("q", at)]


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_answers_in_three_languages_are_found_where_they_stand(
    shared_data: Path, language: str
) -> None:
    data = json.loads((shared_data / "xquad" / f"xquad.{language}.json").read_text("utf-8"))
    documents, passages, asked, expected = [], [], [], []
    for article in data["data"]:
        paragraphs = [p["context"] for p in article["paragraphs"]]
        document = Document(
            content_id(article["title"], language),
            f"{article['title']}.txt",
            "",
            "\n".join(paragraphs),
        )
        documents.append(document)
        start = 0
        for paragraph in article["paragraphs"]:
            text = paragraph["context"]
            passage = Passage(
                content_id(document.id, text), document.id, start, start + len(text), text
            )
            passages.append(passage)
            start += len(text) + 1
            for qa in paragraph["qas"]:
                at = qa["answers"][0]["answer_start"]
                quote = text[max(0, at - 30) : at + 40]
                asked.append(AskedQuestion(qa["question"], f"{article['title']}.txt", quote))
                expected.append(passage.id)
    queries, qrels, rejections = match_questions(asked, documents, passages)
    assert rejections == []
    found = {(q.query_id, q.passage_id) for q in qrels}
    by_text = {q.text: q.id for q in queries}
    hits = [
        (by_text.get(" ".join(a.question.split())), e) in found
        for a, e in zip(asked, expected, strict=True)
    ]
    assert sum(hits) >= 0.999 * len(asked)
    assert len(qrels) <= 1.01 * len(asked)
