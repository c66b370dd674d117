"""What is left of a question when it no longer speaks of "the passage"."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homing.context_phrases import context_phrase, without_context_phrases

ABOUT_LEAVE = "Parents may take sixteen weeks of paid leave."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("According to the text, who pays for leave?", "Who pays for leave?"),
        ("Based on the context information, how long is leave?", "How long is leave?"),
        (
            "Based on the information provided in the context, who may take leave?",
            "Who may take leave?",
        ),
        ("Who pays for leave, according to the given context information?", "Who pays for leave?"),
        ("Who, as mentioned in the passage, pays for leave?", "Who pays for leave?"),
        ("In 2020, according to the text, who paid?", "In 2020, who paid?"),
        (
            "Who pays for leave and, if nobody, why, in the text?",
            "Who pays for leave and, if nobody, why?",
        ),
        (
            "How long is leave? Give examples from the context information to support your answer.",
            "How long is leave? Give examples to support your answer.",
        ),
        (
            'How does "leave" in the context information exclude holidays?',
            'How does "leave" exclude holidays?',
        ),
        (
            "What is the sublease between them and Dropbox, Inc. mentioned in the context?",
            "What is the sublease between them and Dropbox, Inc.?",
        ),
        (
            "Explain the role of Lyft, Inc. in the context information.",
            "Explain the role of Lyft, Inc.",
        ),
        (
            "Wie lange dauert laut dem obigen Text die Elternzeit?",
            "Wie lange dauert die Elternzeit?",
        ),
        ("根据上文，育儿假有多长？", "育儿假有多长？"),
    ],
)
def test_a_phrase_about_the_passage_is_left_out(text: str, expected: str) -> None:
    assert context_phrase(text, ABOUT_LEAVE)
    assert without_context_phrases(text, ABOUT_LEAVE) == expected


@pytest.mark.parametrize(
    "text",
    [
        "What does the passage say about leave?",
        "The context information mentions leave. How long is it?",
        "Is leave like the one mentioned in the context information?",
        "Which rules have been stated in the text?",
        "Why, according to the text?",
        "Welche Regeln werden im Text genannt?",
    ],
)
def test_what_asks_about_nothing_but_the_passage_stays_and_is_known_for_it(text: str) -> None:
    assert without_context_phrases(text, ABOUT_LEAVE) == text
    assert context_phrase(text, ABOUT_LEAVE)


@pytest.mark.parametrize(
    ("text", "passage"),
    [
        ("how long is parental leave?", ABOUT_LEAVE),
        ("Where do footnotes stand in the text?", "Footnotes stand in the text, never below it."),
        ("leave according to the document retention policy", ABOUT_LEAVE),
    ],
)
def test_the_matter_of_a_passage_is_no_phrase_about_it(text: str, passage: str) -> None:
    assert context_phrase(text, passage) == ""
    assert without_context_phrases(text, passage) == text


PIECES = st.sampled_from(
    "According to|Based on|the|this|given|context|information|text|passage|, |mentioned in|from|"
    "who|pays|?|.|laut|dem|根据上文|provided|one| |leave".split("|")
)


@given(st.lists(PIECES, max_size=20).map(" ".join), st.sampled_from(["", ABOUT_LEAVE]))
@example("in the text, in the text, who pays?", "")
def test_twice_is_once_and_nothing_is_made_that_would_be_dropped(text: str, passage: str) -> None:
    once = without_context_phrases(text, passage)
    assert without_context_phrases(once, passage) == once
    assert once == text or not context_phrase(once, passage)
    assert not text.strip() or once.strip()
