"""From written to kept: counted, in order, with examples, whatever the summary holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from handbook_funnel import N_KEPT, filter_rejections, filtered_report, funnel_summary
from handbook_report import handbook_report
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser
from test_report_page import ATTACK, text_of

from homing.reporting.funnel import read_funnel, show_funnel
from homing.reporting.render import render_report
from homing.types import Rejection, query_id


@pytest.fixture(scope="module")
def page() -> LexborHTMLParser:
    return LexborHTMLParser(render_report(filtered_report()))


def words_of(page: LexborHTMLParser, selector: str) -> list[str]:
    return [" ".join(node.text().split()) for node in page.css(selector)]


def test_the_funnel_stands_behind_the_questions_and_says_what_is_left(
    page: LexborHTMLParser,
) -> None:
    ids = [node.attributes["id"] for node in page.css("h2")]
    assert ids[ids.index("questions") + 1] == "funnel"
    facts = text_of(page, "section:has(#funnel) .facts")
    assert "Written102questions" in facts
    assert f"Kept{N_KEPT}88.2 % of what was written" in facts.replace("\u00a0", " ")
    assert "Too easy, and kept33" in facts
    assert page.css_first('nav a[href="#funnel"]') is not None


def test_filters_stand_in_the_order_in_which_they_ran(page: LexborHTMLParser) -> None:
    assert words_of(page, ".funnel .grow > b, .funnel .reason b") == [
        *("Form", "About the context", "Duplicate question", "Wrong language"),
        *("Copied text", "Copied text", "Likeness", "Round trip", "Not found again"),
        *("Judge", "Judged poor", "Splits", "Duplicate question"),
    ]
    assert words_of(page, ".funnel .flow")[:3] == ["102 → 96−6", "96 → 94−2", "94 → 94none dropped"]


def test_a_filter_that_dropped_nothing_has_nothing_to_open(page: LexborHTMLParser) -> None:
    assert len(page.css(".funnel > details")) == 5
    assert len(page.css(".funnel > .step")) == 1


def test_each_reason_has_its_count_and_at_most_three_examples(page: LexborHTMLParser) -> None:
    context = page.css_first(".funnel .reason")
    assert context.css_first(".stage").text() == "4"
    assert len(context.css("li")) == 3
    assert "nobody does who searches" in context.css_first("p.muted").text()
    copied = words_of(page, ".funnel > details:nth-child(2) li")
    assert any("from the fourth day on?66 % of its words" in example for example in copied)


def test_one_reason_of_two_filters_shows_each_filters_own_questions(
    page: LexborHTMLParser,
) -> None:
    form, split = page.css(".funnel > details")[0], page.css(".funnel > details")[-1]
    assert "How long is parental leave?" in form.text()
    assert "Who repairs torn sails?" not in form.text()
    assert "Who repairs torn sails?" in split.text()


def test_easy_questions_are_counted_by_kind_and_writer(page: LexborHTMLParser) -> None:
    rows = words_of(page, "section:has(#funnel) table tbody tr")
    assert rows[0].replace(" ", "") == "Factualopenai:gpt-5-mini214052.5"
    assert rows[2].startswith("How to offline writer")


def test_further_answers_are_told_by_grade(page: LexborHTMLParser) -> None:
    assert "14 further answers (5 of grade 2, 9 of grade 1)" in text_of(
        page, "section:has(#funnel) .body > p"
    )


def test_what_the_funnel_tells_is_not_listed_twice(page: LexborHTMLParser) -> None:
    dropped = text_of(page, "section:has(#dropped)")
    assert "Besides the written questions above, 9 items were dropped, for 3 reasons." in dropped
    assert "Copied text" not in dropped


def test_an_older_workspace_lists_everything_by_reason() -> None:
    data = handbook_report()
    page = LexborHTMLParser(render_report(replace(data, rejections=filter_rejections())))
    assert page.css_first("#funnel") is None
    assert 'href="#funnel"' not in (page.html or "")
    assert "12 items were dropped, for 6 reasons." in text_of(page, "section:has(#dropped)")


def test_given_questions_without_answer_stay_in_the_list() -> None:
    lost = Rejection("9f2c", "curate", "no_passage_matches", "No passage says so.", "who am I")
    funnel = read_funnel(funnel_summary())
    assert funnel is not None
    shown = show_funnel(funnel, [*filter_rejections(), lost])
    assert shown.rest == [lost]


def test_long_questions_are_cut_in_examples() -> None:
    summary = {
        "funnel": {
            "n_written": 2,
            "n_kept": 1,
            "steps": [{"filter": "form", "n_in": 2, "n_out": 1, "reasons": {"too_long": 1}}],
        }
    }
    text = "and then " * 200
    funnel = read_funnel(summary)
    assert funnel is not None
    (step,) = show_funnel(funnel, [Rejection(query_id(text), "curate", "too_long", "", text)]).steps
    ((example, _),) = step.reasons[0].examples
    assert example.endswith("then …")
    assert len(example) < 230


def test_text_of_questions_never_becomes_markup() -> None:
    step = {"filter": ATTACK, "n_in": 2, "n_out": 1, "reasons": {ATTACK: 1}}
    easy = {"writer": ATTACK, "kind": ATTACK, "n": 1, "of": 1}
    found = {"n_written": 2, "n_kept": 1, "steps": [step], "too_easy": [easy]}
    found["answers"] = {"n_extra": 1, "grades": {ATTACK: 1}}
    rejections = [Rejection(ATTACK, "curate", ATTACK, ATTACK, ATTACK)]
    data = replace(handbook_report(), funnel=read_funnel({"funnel": found}), rejections=rejections)
    page = LexborHTMLParser(render_report(data))
    assert page.css("img") == []
    assert page.css_first(".funnel li").text() == ATTACK
    assert page.css_first("footer") is not None


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["n_in", "n_out", "reasons", "filter", "writer", "of", "grades"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(steps=JUNK, too_easy=JUNK, answers=JUNK, n_kept=JUNK)
def test_a_summary_of_another_form_loses_its_table_alone(
    steps: Any, too_easy: Any, answers: Any, n_kept: Any
) -> None:
    found = {"n_written": 7, "steps": steps, "too_easy": too_easy, "answers": answers}
    funnel = read_funnel({"funnel": {**found, "n_kept": n_kept}})
    assert funnel is not None
    assert funnel.n_written == 7
    show_funnel(funnel, filter_rejections())


@pytest.mark.parametrize("summary", [{}, {"funnel": None}, {"funnel": {"n_written": 0}}])
def test_without_written_questions_there_is_no_funnel(summary: dict[str, Any]) -> None:
    assert read_funnel(summary) is None
