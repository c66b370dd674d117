"""Questions out of replies: whatever wraps them, and nothing but them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homing.writing.parsing import ParsedQuestion, ParsingError, parse_questions

LONG, SPLIT = "How long is parental leave?", "How do I split it?"
PAIR = [LONG, SPLIT]


def texts(reply: str, n: int = 2) -> list[str]:
    return [question.text for question in parse_questions(reply, n)]


SCHEMA = {
    "questions": [{"kind": "factual", "question": LONG}, {"kind": "how_to", "question": SPLIT}]
}


def test_json_as_it_was_asked_for_keeps_kinds_and_order() -> None:
    asked = [ParsedQuestion("factual", LONG), ParsedQuestion("how_to", SPLIT)]
    assert parse_questions(json.dumps(SCHEMA), 2) == asked
    assert parse_questions(json.dumps(SCHEMA, indent=2), 2) == asked
    assert parse_questions(f"Sure!\n```json\n{json.dumps(SCHEMA)}\n```\nAnything else?", 2) == asked


JSON = {
    "a list of strings": json.dumps(PAIR),
    "numbered strings in a list": json.dumps([f"1. {LONG}", f"2) {SPLIT}"]),
    "remarks around it": f"Here you go: {json.dumps(SCHEMA)} Let me know if that helps?",
    "another key": json.dumps({"queries": [{"query": LONG}, {"q": SPLIT, "answer": "In two."}]}),
    "text as the key": json.dumps([{"text": LONG}, {"text": SPLIT}]),
    "numbered keys": json.dumps({"question_1": LONG, "question_2": SPLIT}),
    "nested": json.dumps({"result": {"data": SCHEMA}}),
    "one a line": "\n".join(json.dumps({"question": q}) for q in PAIR),
    "trailing commas": f'{{"questions": [{{"question": "{LONG}",}}, {{"question": "{SPLIT}"}},],}}',
    "Python's quotes": f"{{'questions': ['{LONG}', '{SPLIT}']}}",
    "objects in Python's quotes": f"[{{'question': '{LONG}'}}, {{'question': '{SPLIT}'}}]",
    "no end": f'{{"questions": [{{"question": "{LONG}"}}, {{"question": "{SPLIT}"}}',
    "a list with its preamble": json.dumps(["Here are two questions:", *PAIR]),
    "thoughts before": f"<think>1. Is it paid? 2. Why?</think>\n{json.dumps(PAIR)}",
}


@pytest.mark.parametrize("reply", JSON.values(), ids=JSON.keys())
def test_json_is_found_in_any_wrapping(reply: str) -> None:
    assert texts(reply) == PAIR


def test_json_that_was_cut_off_gives_the_questions_that_are_whole() -> None:
    whole = json.dumps(SCHEMA)
    for end in range(whole.index("how_to"), len(whole) - 5):
        assert parse_questions(whole[:end], 2) == [ParsedQuestion("factual", LONG)]


def test_quotes_inside_a_question_survive_broken_json() -> None:
    reply = (
        f'{{"questions": [{{"question": "What is "leave" about?"}}, {{"question": "{SPLIT}"}}]}}'
    )
    assert texts(reply) == ['What is "leave" about?', SPLIT]
    assert texts(json.dumps([{"question": 'What is "leave"?'}])) == ['What is "leave"?']


def test_json_inside_a_question_is_not_taken_for_the_answer() -> None:
    asked = ['What does f(["x", "yz"]) return?', 'How do I send {"query": "leave"} to the server?']
    assert texts("\n".join(f"{i}. {q}" for i, q in enumerate(asked, 1))) == asked


NUMBERS = ["{}. ", "{}.", "{}) ", "({}) ", "Q{}: ", "Question {}: ", "**{}.** ", "{}: ", "#{}. ",
           "**Question {}:** ", "[{}] ", "### Question {}\n", "**Question {}**\n", "Frage {}: ",
           "{}、", "问题{}：", "{}\ufe0f\u20e3 ", "  {}. ", "Question {} - "]  # fmt: skip
BULLETS = ["- ", "* ", "• ", "– ", "+ ", "a) "]


@pytest.mark.parametrize("style", NUMBERS)
@pytest.mark.parametrize("around", ["{}", '"{}"', "**{}**", "“{}”", "*{}*"])
def test_lists_are_read_in_many_styles(style: str, around: str) -> None:
    reply = "\n".join(style.format(i) + around.format(q) for i, q in enumerate(PAIR, start=1))
    assert texts(reply) == PAIR
    assert texts(f"Sure! Here are 2 questions:\n\n{reply}\n\nLet me know if you need more!") == PAIR
    assert texts(f"```\n{reply}\n```") == PAIR


@pytest.mark.parametrize("bullet", BULLETS)
def test_bullets_are_read(bullet: str) -> None:
    assert texts("\n".join(bullet + q for q in [LONG, "leave in two blocks"])) == [
        LONG, "leave in two blocks",
    ]  # fmt: skip


PREAMBLES = [
    ("Here are two questions:", "Let me know if you need more questions!"),
    ("Sure! Here are two questions based on the passage:", "Would you like more questions?"),
    ("Certainly, below are the questions", "I hope these help."),
    ("Gerne! Hier sind zwei Fragen:", "Lassen Sie mich wissen, ob Sie weitere Fragen brauchen."),
    ("Natürlich, hier sind die Fragen", "Möchten Sie weitere Fragen?"),
    ("好的，以下是两个问题：", "希望这些问题对您有帮助！"),
    ("以下是两个问题", "您还需要更多问题吗？"),
    ("Voici deux questions :", "N'hésitez pas à demander."),
    ("Claro, aquí tienes dos preguntas:", "Espero que te sirvan."),
    ("Конечно! Вот два вопроса:", "Надеюсь, это поможет."),
]


@pytest.mark.parametrize(("before", "after"), PREAMBLES)
@pytest.mark.parametrize("style", ["{}. ", "{}) ", "- ", ""])
def test_what_the_model_says_around_its_questions_never_becomes_one(
    before: str, after: str, style: str
) -> None:
    asked = "\n".join(style.format(i) + q for i, q in enumerate(PAIR, start=1))
    assert texts(f"{before}\n{asked}\n\n{after}", 4) == PAIR
    assert texts(f"{before}\n\n{asked}\n{after}", 4) == PAIR


def test_answers_options_and_explanations_are_dropped() -> None:
    assert texts(f"Q: {LONG}\nA: Twenty weeks.\nQ: {SPLIT}\nA: In two.") == PAIR
    assert texts(f"1. {LONG}\nAnswer: Twenty\nweeks.\n2. {SPLIT} **Answer:** In two.") == PAIR
    assert texts(f"1. {LONG}\n   a) 10 weeks\n   b) 20 weeks\n2. {SPLIT}\n- yes\n- no") == PAIR
    assert texts(f"1. {LONG} (This tests the reader's memory.)\n2. {SPLIT} (Hint: twice)") == PAIR
    assert texts(f"Frage 1: {LONG}\nAntwort: Zwanzig.\nFrage 2: {SPLIT}\nAntwort: Zwei.") == PAIR


def test_a_question_may_go_over_two_lines() -> None:
    assert texts("1. How long is\n   parental leave?\n2. How do I\nsplit it?") == PAIR
    assert texts("How long is\nparental leave?\n\nHow do I split\nit?") == PAIR


def test_several_questions_in_one_line_are_told_apart() -> None:
    assert texts(f"Here are two questions: 1. {LONG} 2. {SPLIT}") == PAIR
    assert texts(f"{LONG} {SPLIT}") == PAIR
    assert texts(f"Sure! {LONG} {SPLIT}") == PAIR


def test_a_question_of_two_sentences_stays_one() -> None:
    asked = ["I come back part-time. Do I keep my position?", "Can I split it? If so, how?"]
    assert texts("\n".join(f"{i}. {q}" for i, q in enumerate(asked, 1))) == asked
    assert texts(json.dumps(asked)) == asked


def test_other_scripts_are_read() -> None:
    assert texts("１．育儿假有多长？\n２．怎样分开使用？") == ["育儿假有多长？", "怎样分开使用？"]
    assert texts("1、育儿假有多长？2、怎样分开使用？") == ["育儿假有多长？", "怎样分开使用？"]
    assert texts("一、育儿假有多长？\n二、怎样分开使用？") == ["育儿假有多长？", "怎样分开使用？"]
    assert texts("问题1：「育儿假有多长？」\n答案：二十周。") == ["育儿假有多长？"]
    assert texts("1. ما هي مدة الإجازة؟\n2. كيف أقسمها؟") == ["ما هي مدة الإجازة؟", "كيف أقسمها؟"]


def test_kinds_that_stand_beside_a_question_are_understood() -> None:
    reply = f"1. (factual) {LONG}\n2. **How-to:** {SPLIT}\n3. Is it paid? (yes/no)"
    found = parse_questions(reply, 3)
    assert [question.kind for question in found] == ["factual", "how_to", "yes_no"]
    assert [question.text for question in found] == [LONG, SPLIT, "Is it paid?"]
    (question,) = parse_questions('{"type": "Yes/No", "question": "Is it paid?"}', 1)
    assert question == ParsedQuestion("yes_no", "Is it paid?")
    (unknown,) = parse_questions('{"kind": "riddle", "question": "Is it paid?"}', 1)
    assert unknown.kind == ""


def test_a_keyword_query_needs_no_question_mark_in_a_list() -> None:
    assert texts("1. parental leave weeks\n2. hwo long is leave") == [
        "parental leave weeks", "hwo long is leave",
    ]  # fmt: skip
    assert texts('["great lakes depth", "thank you letter"]') == [
        "great lakes depth", "thank you letter",
    ]  # fmt: skip


def test_questions_followed_by_a_task_are_read_without_a_list() -> None:
    asked = ["How do fares change? Explain the factors.", SPLIT]
    assert texts("Here are two questions:\n" + "\n".join(asked)) == asked


def test_what_models_really_asked_comes_back_word_for_word(shared_data: Path) -> None:
    path = shared_data / "sec10k" / "gpt-3.5-turbo" / "val_dataset.json"
    queries = list(json.loads(path.read_text("utf-8"))["queries"].values())
    for pair in zip(queries[::2], queries[1::2], strict=True):
        asked = [" ".join(question.split()) for question in pair]
        assert texts(json.dumps(pair)) == asked
        assert texts(f"Sure!\n\n1. {asked[0]}\n2. {asked[1]}\n\nEnjoy!") == asked
        assert texts(f"- {asked[0]}\n- {asked[1]}") == asked


def test_numbers_that_begin_a_question_are_part_of_it() -> None:
    asked = [
        "2021 revenue of Lyft?",
        "Q4 revenue of Uber?",
        "3.x migration steps?",
        "1.5 % of what is withheld?",
    ]
    assert texts("\n".join(asked), 4) == asked


def test_no_more_questions_come_back_than_were_asked_for() -> None:
    assert len(texts("\n".join(f"{i}. {LONG}" for i in range(1, 9)), 3)) == 3


NONE = [
    "",
    "   \n\n",
    "Sure! Here are two questions for you:",
    "1. Here are two questions:",
    "I'm sorry, but I can't help with that.",
    "Es tut mir leid, dabei kann ich nicht helfen.",
    "抱歉，我无法回答。",
    '{"questions": []}',
    '{"questions": null}',
    '{"score": 7, "reason": "good"}',
    "[1, 2, 3]",
    "???",
    "1.\n2.\n3.",
    "The passage describes parental leave in detail.",
    "<think>Which questions could I ask?",
    '{"questions": [{"kind": "fac',
]


@pytest.mark.parametrize("reply", NONE)
def test_a_reply_without_questions_is_an_error(reply: str) -> None:
    with pytest.raises(ParsingError):
        parse_questions(reply, 2)


@pytest.mark.parametrize(
    "unit",
    ["[", '{"a":', "1. ", "? ", '"', '{"question": "', "{'q':'a", "**", "\\", "<think>", "a "],
)
def test_ten_megabytes_of_junk_are_read_in_bounded_time(unit: str) -> None:
    with pytest.raises(ParsingError):
        parse_questions(unit * (10_000_000 // len(unit)), 2)


PIECES = st.sampled_from(
    ["1. ", "2) ", "- ", "Q1: ", "A: ", "\n", "\n\n", "?", "？", '"', "'", "{", "}", "[", "]", ",",
     ":", "question", '"question": ', "Here are two questions:", "```json\n", "**", "How long", " ",
     "\\", "<think>", "</think>", "\ud800", "\x00", "1" * 5000, "|", "(", ")", "a"]
)  # fmt: skip
KEYS = st.sampled_from(["question", "questions", "kind", "1", "answer", ""])
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)), st.integers(1, 5))
@example('{"questions": [' + "9" * 5000 + "]}", 2)
@example('"' + "[" * 100_000, 2)
@example('[{"question": "\\ud800 is what?"}]', 1)
def test_any_text_gives_questions_or_a_parsing_error(reply: str, n: int) -> None:
    try:
        found = parse_questions(reply, n)
    except ParsingError:
        return
    assert 1 <= len(found) <= n
    for question in found:
        assert question.text == question.text.strip()
        assert "\n" not in question.text
        assert sum(map(str.isalpha, question.text)) >= 2
        question.text.encode("utf-8")


@given(VALUES)
def test_any_json_gives_questions_or_a_parsing_error(value: object) -> None:
    try:
        parse_questions(json.dumps(value), 3)
    except ParsingError:
        return
