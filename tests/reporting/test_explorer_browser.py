"""The explorer in a real browser: every question can be found, opened and read."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from browsing import Opener
from handbook_full import full_report
from handbook_report import handbook_report
from test_report_page import ATTACK, attacked

from homing.reporting.outcomes import rank_changes
from homing.reporting.ranks import rank_all
from homing.reporting.render import render_report

pytestmark = pytest.mark.browser


@pytest.fixture
def page(open_report: Opener) -> Any:
    page, complaints, _ = open_report(render_report(full_report()))
    yield page
    assert complaints == []


def found(page: Any) -> str:
    return page.locator("#found").inner_text()


def test_all_questions_are_counted_as_the_runs_say(page: Any) -> None:
    answers = rank_all(full_report(), 1)
    changes = [c.change for c in rank_changes(answers["base"], answers["bm25+tuned"])]
    counts = [sum(c > 0 for c in changes), sum(c < 0 for c in changes)]
    shown = page.locator("[data-outcome]").all_inner_texts()
    assert [int(n) for n in shown] == [102, *counts, 102 - sum(counts)]
    assert found(page).startswith("102 of 102 questions")
    assert page.locator("#explored details").count() == 20
    assert page.locator("#most-changed").count() == 0


def test_outcomes_are_chosen_by_keyboard(page: Any) -> None:
    page.locator("input[value=all]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("input[value=lost]").is_checked()
    assert "right passage lower with BM25 + tuned than with Base model" in found(page)
    assert page.locator("#explored .move.lost").count() == page.locator("#explored details").count()


def test_pages_are_turned_and_end(page: Any) -> None:
    first = page.locator("#explored .question").first.inner_text()
    following = page.get_by_role("button", name="Next")
    assert page.get_by_role("button", name="Previous").is_disabled()
    for _ in range(5):
        following.click()
    assert page.locator("#page-number").inner_text() == "Page 6 of 6"
    assert following.is_disabled()
    assert page.locator("#explored details").count() == 2
    assert page.locator("#explored .question").first.inner_text() != first


def test_a_question_is_found_by_its_words_and_by_its_right_passages_path(page: Any) -> None:
    page.locator("#search").fill("plane booking")
    page.get_by_text("must I ask before booking a plane").wait_for()
    page.locator("#search").fill("people/pay.pdf")
    page.get_by_text("when is my salary transferred").wait_for()
    page.locator("#search").fill("zeppelin")
    page.get_by_text("No question is like that.").wait_for()
    assert found(page).startswith("0 of 102")


def test_a_slice_and_suspected_labels_are_chosen_from_the_list(page: Any) -> None:
    page.locator("#slice").select_option(label="Keywords (34)")
    assert found(page).startswith("34 of 102")
    page.locator("#slice").select_option("suspects")
    assert found(page).startswith("2 of 102")
    page.locator("#explored summary").first.click()
    assert "put the same other passage first" in page.locator("#explored .note").inner_text()


def test_any_two_contenders_are_compared(page: Any) -> None:
    page.locator("#from-contender").select_option(label="BM25")
    page.locator("#to-contender").select_option(label="Tuned model")
    page.locator("#explored summary").first.click()
    headings = page.locator("#explored .sides h3")
    headings.nth(1).wait_for()  # filled once the question is open
    shown = [text.split(":")[0] for text in headings.all_inner_texts()]
    assert shown == ["BM25", "Tuned model"]


def test_an_opened_question_shows_both_rankings_marks_words_and_places(page: Any) -> None:
    page.locator("#search").fill("how do we prepare the engine for frost")
    page.get_by_role("status").get_by_text("1 of 102").wait_for()
    summary = page.locator("#explored summary")
    summary.focus()
    page.keyboard.press("Enter")
    sides = page.locator("#explored .sides > div")
    for side in (sides.nth(0), sides.nth(1)):  # filled once the question is open
        side.locator(".hit").nth(4).wait_for()
    assert [sides.nth(n).locator(".hit").count() for n in (0, 1)] == [5, 5]
    right = page.locator("#explored .hit.right").first
    assert "Engine > Winter lay-up" in right.inner_text()
    assert "✓ right passage" in right.inner_text()
    assert "unjudged" in page.locator("#explored .hit:not(.right)").first.inner_text()
    marked = {text.lower() for text in page.locator("#explored .text mark").all_inner_texts()}
    assert "engine" in marked | {text.rstrip("s") for text in marked}
    assert not marked & {"the", "for", "how", "we"}


def test_a_page_of_a_document_is_linked_relative_to_the_report(page: Any) -> None:
    page.locator("#search").fill("when is my salary transferred")
    page.get_by_role("status").get_by_text("1 of 102").wait_for()
    page.locator("#explored summary").click()
    link = page.locator("#explored .hit.right .place a").first
    assert link.inner_text() == "people/pay.pdf, page 3"
    assert link.get_attribute("href") == "../handbook/people/pay.pdf#page=3"
    assert link.get_attribute("rel") == "noopener noreferrer"


def test_the_right_passage_is_shown_where_neither_has_it_among_its_first(page: Any) -> None:
    page.locator("#slice").select_option("suspects")
    page.locator("#found").filter(has_text=re.compile(r"^(?!102 )\d+ of 102")).wait_for()
    page.locator("#explored summary").first.click()
    also = page.locator("#explored .also")
    also.locator(".hit.right").first.wait_for()
    assert also.locator(".hit.right").count() == 1


def test_what_is_opened_is_what_is_printed(page: Any) -> None:
    page.locator("#explored summary").nth(2).click()
    page.emulate_media(media="print")
    assert page.locator("#explored details:visible").count() == 1
    assert not page.locator(".choices").is_visible()
    assert page.locator("#found").is_visible()


def test_all_of_a_page_open_and_close_at_once(page: Any) -> None:
    button = page.get_by_role("button", name="Open all on this page")
    button.click()
    assert page.locator("#explored details[open]").count() == 20
    button.click()
    assert page.locator("#explored details[open]").count() == 0


def test_without_javascript_the_most_changed_questions_are_there(open_report: Opener) -> None:
    page, _, _ = open_report(java_script_enabled=False)
    assert not page.locator("#explorer").is_visible()
    drawers = page.locator("#most-changed .ranked")
    assert [drawers.nth(n).locator("details").count() for n in (0, 1)] == [20, 20]
    drawers.first.locator("summary").first.click()
    assert drawers.first.locator(".hit.right").first.is_visible()


def test_data_that_cannot_be_read_leave_the_most_changed_questions(open_report: Opener) -> None:
    html = render_report(handbook_report())
    start = html.index('id="explorer-data">') + len('id="explorer-data">')
    broken = f"{html[:start]}AAAA{html[start + 4 :]}"
    page, complaints, _ = open_report(broken)
    assert page.locator("#most-changed").is_visible()
    assert not page.locator("#explorer").is_visible()
    assert any(text.startswith("explorer:") for text in complaints)


def test_hostile_texts_are_shown_as_texts(open_report: Opener) -> None:
    dialogs: list[str] = []
    hostile = attacked()
    files = dict.fromkeys(hostile.document_paths, f"../handbook/{ATTACK}")
    page, complaints, requests = open_report(render_report(replace(hostile, document_files=files)))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.get_by_role("button", name="Open all on this page").click()
    page.wait_for_selector("#explored .hit .text")
    assert page.locator("#explored .hit .text").first.inner_text() == ATTACK
    assert page.locator("#explored .question").first.inner_text() == ATTACK
    assert page.locator("#explored :is(img, script)").count() == 0
    hrefs = page.eval_on_selector_all("#explored a", "all => all.map(a => a.protocol)")
    assert set(hrefs) <= {"file:"}
    page.locator("#search").fill("<img src=x")
    page.wait_for_timeout(300)
    assert (dialogs, complaints, len(requests)) == ([], [], 1)
