"""Printed pages become the author's text again; seen on pages of two annual reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from homing.ingestion.characters import clean_text, squash
from homing.ingestion.cleaning import Paragraph, clean_pages
from homing.ingestion.lines import is_row
from homing.ingestion.raw import Line
from homing.ingestion.readers.pdf import read_lines

Pages = list[list[Paragraph]]


@pytest.fixture(scope="module")
def uber_pages(uber: Path) -> Pages:
    return clean_pages(read_lines(uber, range(1, 130)))


@pytest.fixture(scope="module")
def lyft_pages(lyft: Path) -> Pages:
    return clean_pages(read_lines(lyft, range(1, 100)))


def texts(page: Sequence[Paragraph]) -> list[str]:
    return [paragraph.text for paragraph in page]


def test_page_numbers_are_gone_and_years_and_figures_stay(
    uber_pages: Pages, lyft_pages: Pages
) -> None:
    for pages in (uber_pages, lyft_pages):
        lone_numbers = [t for page in pages for t in texts(page)[-1:] if t.isdigit()]
        assert lone_numbers == []
    assert "2019 2020 2021" in texts(uber_pages[97])
    assert "Total revenue $ 13,000 $ 11,139 $ 17,455" in texts(uber_pages[97])


def test_the_company_name_on_top_of_every_statement_is_a_running_head(lyft_pages: Pages) -> None:
    statements = range(76, 84)
    assert not any("Lyft, Inc." in texts(lyft_pages[number])[:2] for number in statements)
    assert texts(lyft_pages[80])[0].startswith("Consolidated Statements of Redeemable")


def test_a_paragraph_printed_on_four_lines_is_one(uber_pages: Pages) -> None:
    (paragraph,) = [t for t in texts(uber_pages[9]) if t.startswith("Because the industries")]
    assert paragraph == (
        "Because the industries in which we compete are characterized by rapid technological "
        "advances, our ability to compete successfully depends heavily upon our ability to ensure "
        "a continual and timely flow of competitive new offerings and technologies. We continue to "
        "develop new technologies to enhance existing offerings and services, and to expand the "
        "range of our offerings through research and development (“R&D”) and acquisition of "
        "third-party businesses and technology."
    )


def test_the_lines_of_neighbouring_paragraphs_are_kept_apart(uber_pages: Pages) -> None:
    openings = [text[:24] for text in texts(uber_pages[9])]
    for opening in (
        "We believe that our inte",
        "To protect our intellect",
        "Because the industries i",
    ):
        assert opening in openings


def test_a_sentence_goes_on_over_the_end_of_a_page(uber_pages: Pages) -> None:
    assert texts(uber_pages[9])[-1].endswith("professional lives. We provided")
    assert uber_pages[10][0].glue == " "
    assert uber_pages[10][0].text.startswith("more attention and flexibility to caregivers")


def test_a_word_broken_over_the_end_of_a_page_keeps_its_hyphen(uber_pages: Pages) -> None:
    assert texts(uber_pages[3])[-1].endswith("you should not rely on forward-")
    assert (uber_pages[4][0].glue, uber_pages[4][0].text[:27]) == (
        "",
        "looking statements as predi",
    )


@pytest.mark.parametrize(
    "phrase",
    ["business in London on an ongoing basis", "front-of-house expenses", "e-bikes and e-scooters"],
)
def test_hyphens_at_line_ends_stay_where_the_word_has_one(uber_pages: Pages, phrase: str) -> None:
    assert phrase in " ".join(text for page in uber_pages for text in texts(page))


def test_a_broken_word_follows_its_commoner_spelling(lyft_pages: Pages) -> None:
    everything = " ".join(text for page in lyft_pages for text in texts(page))
    assert "may involve significant up-front capital investments" in everything


def test_list_items_that_pdfium_runs_together_are_items(lyft_pages: Pages) -> None:
    page = texts(lyft_pages[14])
    assert "• our limited operating history;" in page
    assert "• competition in our industries;" in page
    (wrapped,) = [text for text in page if text.startswith("• actual or perceived security")]
    assert wrapped.endswith("availability of other systems and providers;")


def test_rows_of_a_table_stay_lines(uber_pages: Pages) -> None:
    page = {p.text: p for p in uber_pages[97]}
    assert page["Delivery revenue 1,401 3,904 8,362"].row
    assert page["Freight revenue 731 1,011 2,132"].glue == "\n"


def test_rows_with_a_single_figure_stay_lines(uber_pages: Pages) -> None:
    page = texts(uber_pages[105])
    assert "Intangible assets, net of accumulated amortization 54" in page
    assert "Deferred tax liabilities (12)" in page


def line(text: str, base: float, left: float = 72, right: float = 300, size: float = 10) -> Line:
    return Line(text, left, right, base, size)


def test_running_heads_with_changing_numbers_go_and_the_text_stays() -> None:
    pages = [
        [
            line(f"Staff handbook, page {number}", 800),
            line(f"Rule {number} is about conduct.", 780),
            line(f"It has {number} exceptions.", 768, right=200),
            line("Confidential", 30),
        ]
        for number in range(1, 6)
    ]
    for number, page in enumerate(clean_pages(pages), start=1):
        assert texts(page)[0].startswith(f"Rule {number} is about conduct.")
        assert not any("handbook" in text or "Confidential" in text for text in texts(page))


def test_what_stands_on_two_pages_only_is_no_running_head() -> None:
    pages = [[line("Summary", 800), line(f"Part {i} went well indeed.", 740)] for i in range(2)]
    assert [texts(page)[0] for page in clean_pages(pages)] == ["Summary", "Summary"]


def test_numbers_at_the_foot_that_do_not_count_with_the_pages_stay() -> None:
    pages = [
        [line(f"Revolutions: the year of the {i}", 800), line(year, 700, right=95)]
        for i, year in zip("abcd", ("1871", "1848", "1989", "1789"), strict=True)
    ]
    assert [texts(page)[-1] for page in clean_pages(pages)] == ["1871", "1848", "1989", "1789"]


def test_a_hyphen_goes_where_the_word_is_written_without_it_elsewhere() -> None:
    page = [
        line("The employment contract names the place of work and employ-", 800, right=420),
        line("ment begins on the first day of the month that it names.", 788, right=400),
    ]
    (paragraph,) = clean_pages([page])[0]
    assert "work and employment begins" in paragraph.text


def test_a_capital_after_a_hyphen_keeps_it() -> None:
    page = [
        line("The agreement was signed by the authorities of Baden-", 800, right=420),
        line("Württemberg in the presence of the other parties to it.", 788, right=420),
    ]
    (paragraph,) = clean_pages([page])[0]
    assert "Baden-Württemberg" in paragraph.text


def test_a_short_line_ends_its_paragraph() -> None:
    page = [
        line("Employees receive twenty-eight days of paid leave in each year,", 800, right=420),
        line("as agreed.", 788, right=120),
        line("Leave that was not taken lapses at the end of March of the year", 776, right=420),
    ]
    assert len(clean_pages([page])[0]) == 2


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("eﬃcient oﬃce ﬂow", "efficient office flow"),
        ("a\x00b\x07c", "abc"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("co\u00adoperate", "cooperate"),
        ("10\u00a0000 €", "10 000 €"),
        ("naïve café 東京", "naïve café 東京"),
    ],
)
def test_odd_characters_become_plain_ones(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


def test_runs_of_spaces_become_one() -> None:
    assert squash("  paid \t\u2003 leave \n policy ") == "paid leave policy"


@pytest.mark.parametrize(
    "text", ["Revenue $ 4,208 $ 2,365", "— — 35,497 1", "Net loss (52) (85) 12"]
)
def test_lines_that_end_in_figures_are_rows(text: str) -> None:
    assert is_row(text)


@pytest.mark.parametrize(
    "text",
    ["ended December 31, 2021.", "Note 2 – Revenue", "Mission Bay 3 & 4", "It grew by 24 %, not 3"],
)
def test_sentences_and_titles_with_figures_are_no_rows(text: str) -> None:
    assert not is_row(text)
