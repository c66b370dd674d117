"""Which questions teach something, and which passages nobody should be asked about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homing.curation.boilerplate import boilerplate_reason
from homing.curation.filters import filter_questions
from homing.curation.languages import other_language
from homing.language import guess_language
from homing.types import Passage, Question, content_id, query_id

TEXT = "Parents may take sixteen weeks of paid leave, beginning on the day of birth."
CONTEXT = "A context manager closes the file, according to the context protocol of the language."


def passage(text: str, passage_id: str = "p") -> Passage:
    return Passage(passage_id, "d", 0, len(text), text)


def ask(text: str, passage_id: str = "leave") -> Question:
    return Question(text, passage_id, "phrase", "extractive")


PASSAGES = {
    "leave": passage(TEXT, "leave"),
    "leave-2": passage(TEXT, "leave-2"),
    "manager": passage(CONTEXT, "manager"),
    "sick": passage("Whoever is ill calls in by nine.", "sick"),
    "none": passage("None.", "none"),
    "urlaub": passage(
        "Eltern können sich bis zu sechzehn Wochen freistellen lassen; die Zeit beginnt mit dem "
        "Tag der Geburt und wird auf den Urlaub nicht angerechnet.",
        "urlaub",
    ),
    "育儿假": passage("员工可享受十六周带薪育儿假，自孩子出生之日起计算。", "育儿假"),
}


def reason(text: str, passage_id: str = "leave") -> str:
    kept, rejections = filter_questions([ask(text, passage_id)], PASSAGES)
    assert len(kept) + len(rejections) == 1
    return rejections[0].reason if rejections else ""


@pytest.mark.parametrize(
    "text",
    [
        "how long is parental leave?",
        "paid leave weeks",
        "What is septicemia?",
        "os.path.commonpath",
        "what does C++20 change about x = y?",
        "leave according to the document retention policy",
        "the author index of the library",
    ],
)
def test_a_question_that_a_person_would_type_is_kept(text: str) -> None:
    assert reason(text) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no_letters"),
        ("24,253 $ 11.84 4.35", "no_letters"),
        ("Overview", "too_short"),
        ("Our Mission", "too_short"),
        ("what is it about?", "too_short"),
        ("leave " * 65, "too_long"),
        ("Revenue $ 3,208.3 $ 2,364.7 $ 3,616.0", "garbled"),
        ("how l\ufffdng is parental leave", "garbled"),
        ("what is (cid:12)(cid:45) leave", "garbled"),
        ("contents of leave .................... 12", "garbled"),
        ("According to the passage, how long is leave?", "about_the_context"),
        ("What does the text say about leave?", "about_the_context"),
        ("Give examples of leave mentioned in the context information.", "about_the_context"),
        ("how long is leave, based on the provided excerpt", "about_the_context"),
    ],
)
def test_a_badly_formed_question_is_rejected_with_its_reason(text: str, expected: str) -> None:
    assert reason(text) == expected


@pytest.mark.parametrize(
    ("text", "passage_id"),
    [
        ("wie lange dauert die Elternzeit", "urlaub"),
        ("Elternzeit Geburt Wochen", "urlaub"),
        ("Laut Abschnitt 5 der Satzung, wer haftet?", "urlaub"),
        ("parental leave", "urlaub"),
        ("育儿假有多长时间", "育儿假"),
        ("根据劳动法，员工有多少天年假？", "育儿假"),
        ("基于文本的检索方法", "育儿假"),
        ("iPhone 15 Pro 的价格", "育儿假"),
        ("leave weeks birth", "leave"),
        ("weeks of leave", "urlaub"),
    ],
)
def test_a_question_in_the_language_of_its_passage_is_kept(text: str, passage_id: str) -> None:
    assert reason(text, passage_id) == ""


@pytest.mark.parametrize(
    ("text", "passage_id", "expected"),
    [
        ("Wie lange dauert die Elternzeit laut dem obigen Text?", "urlaub", "about_the_context"),
        ("Welche Fristen werden im Text genannt?", "urlaub", "about_the_context"),
        ("根据上文，育儿假有多长？", "育儿假", "about_the_context"),
        ("这段文字说的育儿假有多长？", "育儿假", "about_the_context"),
        ("根据提供的信息，谁可以享受育儿假？", "育儿假", "about_the_context"),
        ("How long is the parental leave?", "urlaub", "wrong_language"),
        ("How long is parental leave?", "育儿假", "wrong_language"),
        ("wie lange dauert die Elternzeit", "leave", "wrong_language"),
        ("育儿假有多长时间", "leave", "wrong_language"),
    ],
)
def test_other_languages_are_held_to_the_same(text: str, passage_id: str, expected: str) -> None:
    assert reason(text, passage_id) == expected


def test_a_phrase_that_stands_in_the_passage_is_not_about_the_passage() -> None:
    text = "closes the file according to the context?"
    assert reason(text, "leave") == "about_the_context"
    assert reason(text, "manager") == ""


def test_a_question_about_boilerplate_or_a_missing_passage_is_rejected() -> None:
    assert reason("issuer purchases of equity securities", "none") == "boilerplate_passage"
    assert reason("how long is parental leave?", "gone") == "passage_missing"


def test_of_equal_questions_the_first_is_kept() -> None:
    asked = [
        ask("how long is the parental leave?"),
        ask("Parental leave, how long?"),
        ask("how long is parental leave", "sick"),
        ask("how long is sick leave?", "sick"),
    ]
    kept, rejections = filter_questions(asked, PASSAGES)
    assert kept == [asked[0], asked[3]]
    assert [r.reason for r in rejections] == ["duplicate_question", "ambiguous_question"]
    assert [r.item_id for r in rejections] == [query_id(q.text) for q in asked[1:3]]
    assert rejections[0].stage == "curate"
    assert rejections[0].text == "Parental leave, how long?"


def test_a_question_asked_of_two_copies_of_a_passage_is_a_duplicate() -> None:
    asked = [ask("how long is parental leave?", p) for p in ("leave", "leave-2")]
    kept, (copy,) = filter_questions(asked, PASSAGES, {"leave": "leave", "leave-2": "leave"})
    assert kept == asked[:1]
    assert copy.reason == "duplicate_question"


def test_a_question_asked_of_many_different_passages_is_kept_for_none() -> None:
    asked = [ask("Additional question: when?", p) for p in ("leave", "manager", "sick")]
    kept, rejections = filter_questions(asked, PASSAGES)
    assert kept == []
    assert {r.reason for r in rejections} == {"ambiguous_question"}


def test_what_people_asked_about_wikipedia_is_kept(shared_data: Path) -> None:
    for language in ("en", "de", "zh"):
        data = json.loads((shared_data / "xquad" / f"xquad.{language}.json").read_text("utf-8"))
        passages, questions = {}, []
        for article in data["data"]:
            for paragraph in article["paragraphs"]:
                key = content_id(paragraph["context"])
                passages[key] = passage(paragraph["context"], key)
                questions += [ask(qa["question"], key) for qa in paragraph["qas"]]
        kept, _ = filter_questions(questions, passages)
        assert len(kept) >= 0.98 * len(questions)
        assert not any(boilerplate_reason(p) for p in passages.values())


def asked_about_wikipedia(folder: Path, language: str) -> list[tuple[str, str]]:
    data = json.loads((folder / "xquad" / f"xquad.{language}.json").read_text("utf-8"))
    paragraphs = [paragraph for article in data["data"] for paragraph in article["paragraphs"]]
    return [(p["context"], qa["question"]) for p in paragraphs for qa in p["qas"]]


@pytest.mark.parametrize(
    ("of_passages", "of_questions", "most", "least"),
    [
        ("en", "en", 0.001, 0.0),
        ("de", "de", 0.001, 0.0),
        ("zh", "zh", 0.001, 0.0),
        ("de", "en", 1.0, 0.9),
        ("zh", "en", 1.0, 0.98),
        ("en", "zh", 1.0, 0.98),
        ("en", "de", 1.0, 0.85),
    ],
)
def test_questions_in_another_language_than_their_passage_are_found(
    shared_data: Path, of_passages: str, of_questions: str, most: float, least: float
) -> None:
    passages = [context for context, _ in asked_about_wikipedia(shared_data, of_passages)]
    texts = [question for _, question in asked_about_wikipedia(shared_data, of_questions)]
    n_found = sum(
        bool(other_language(text, context, guess_language(context)))
        for context, text in zip(passages, texts, strict=True)
    )
    assert least <= n_found / len(texts) <= most


CONTENTS = """\
TABLE OF CONTENTS
Special Note Regarding Forward-Looking Statements 2
PART I
Item 1. Business 4
Item 1A. Risk Factors 11
Item 2. Properties 46
Item 3. Legal Proceedings 46
Item 10. Directors, Executive Officers and Corporate Governance 124"""
DOTTED = "\n".join(f"{i}. Leave for {who} ........ {3 * i}" for i, who in enumerate("abcdef"))
SIGNED = """\
By: /s/ Ada Byron
Name: Ada Byron
Title: Director
By: /s/ Charles Babbage
Name: Charles Babbage"""
NUMBERS = """\
Net loss — — — (1,009,359) — (1,009,359)
Balance — $ — 344,938 $ 3 $ 9,706,293 $ (8,309,787)
Issuance of stock — 36,703 — — 4 — (28) 100"""
COVER = """\
Indicate by check mark whether the registrant is a shell company. Yes ☐ No ☒
Indicate by check mark whether it has filed all reports. Yes ☒ No ☐
Indicate by check mark whether it is a large filer. Yes ☒ No ☐"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CONTENTS, "table_of_contents"),
        (DOTTED, "table_of_contents"),
        (SIGNED, "signatures"),
        ("Date: ____________\nSignature: ____________\nName: ____________", "signatures"),
        (NUMBERS, "mostly_numbers"),
        (COVER, "page_furniture"),
        ("This page is intentionally left blank.", "page_furniture"),
        ("© 2023 Example Ltd. All rights reserved.", "page_furniture"),
        ("Not applicable.", "too_short"),
        ("- 12 -", "too_short"),
    ],
)
def test_boilerplate_is_recognised_by_its_form(text: str, expected: str) -> None:
    assert boilerplate_reason(passage(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Return the sine of x (measured in radians).",
        "Before you travel:\n☐ passport\n☐ ticket\n☐ the address of your hotel\n☐ a charger",
        "Fees\nLate return 5 euros\nLost card 20 euros\nNew card 10 euros\nCopy 1 euro\nScan: free",
        "Revenue 2021 2020\nUnited States and Canada $ 10,094 $ 6,611\nLatin America 1,417 1,295\n"
        "Europe, Middle East and Africa 3,213 2,086\nAsia Pacific 2,731 1,147\nTotal 17,455 11,139",
        "A letter of credit must be signed by the director, whose signature is kept on file.",
        "租户应保持房屋处于良好状态。",
    ],
)
def test_content_is_not_taken_for_boilerplate(text: str) -> None:
    assert boilerplate_reason(passage(text)) == ""


def test_a_wall_of_punctuation_takes_no_time() -> None:
    for text in (
        "-" * 20_000 + "a",
        "_" * 20_000 + "1x",
        ". " * 20_000,
        "By: " + " " * 20_000 + "x",
    ):
        boilerplate_reason(passage(f"one two three four {text}"))
        filter_questions([ask(text)], PASSAGES)
