"""HTML, DOCX and EPUB: the author's text stays, what frames it goes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import docx
import pytest

from homing.ingestion.files import SourceFile
from homing.ingestion.raw import Block, UnreadableError
from homing.ingestion.readers.html import parse_html
from homing.ingestion.reading import read_document
from homing.types import Document


def read(path: Path) -> Document:
    return read_document(SourceFile(path, path.name))


def blocks(markup: str) -> list[Block]:
    return [block for page in parse_html(markup).pages for block in page]


PAGE = """<!DOCTYPE html>
<html lang="en-GB"><head><title>Parental leave | ACME</title><style>p {color: red}</style></head>
<body>
<header class="site"><a href="/">ACME intranet</a></header>
<nav><ul><li>Home</li><li>Leave</li></ul></nav>
<div role="search">Search the intranet</div>
<main>
  <h1>Parental   leave</h1>
  <p>Every employee has a right to <b>parental</b> leave.<br>It is paid.</p>
  <h2>How long</h2>
  <ul><li>Mothers: 16 weeks</li><li>Partners: <a href="x">12 weeks</a></li></ul>
  <table><caption>Pay</caption><tr><th>Week</th><th>Share</th></tr>
  <tr><td>1 to 6</td><td>100 %</td></tr></table>
  <pre>form = "PL-1"
  send(form)</pre>
  <script>alert("bought")</script>
</main>
<footer>© ACME</footer>
</body></html>"""


def test_a_page_without_its_frame(tmp_path: Path) -> None:
    path = tmp_path / "leave.html"
    path.write_text(PAGE)
    document = read(path)
    assert document.title == "Parental leave | ACME"
    assert document.language == "en"
    assert [(h.level, h.title) for h in document.headings] == [
        (1, "Parental leave"),
        (2, "How long"),
    ]
    assert document.text == (
        "Parental leave\n\n"
        "Every employee has a right to parental leave.\nIt is paid.\n\n"
        "How long\n\n"
        "• Mothers: 16 weeks\n• Partners: 12 weeks\n\n"
        "Pay\n\nWeek | Share\n1 to 6 | 100 %\n\n"
        'form = "PL-1"\n  send(form)'
    )


def test_an_articles_own_header_keeps_its_title() -> None:
    found = blocks("<article><header><h1>Leave</h1><p>By HR</p></header><p>Text.</p></article>")
    assert [block.text for block in found] == ["Leave", "By HR", "Text."]


def test_a_page_inside_a_form_is_read() -> None:
    assert blocks("<body><form><p>All of it.</p><input value=x></form></body>") == [
        Block("All of it.")
    ]


def test_a_table_that_only_lays_out_the_page_is_no_row() -> None:
    found = blocks(
        "<table><tr><td><h2>Leave</h2><p>Paid.</p></td><td><p>One.</p><p>Two.</p></td></tr></table>"
    )
    assert [(block.level, block.text) for block in found] == [
        (2, "Leave"),
        (0, "Paid."),
        (0, "One."),
        (0, "Two."),
    ]


def test_the_stated_charset_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(
        '<html><head><meta charset="iso-8859-2"></head><body><p>Żółć gęś</p></body></html>'.encode(
            "iso-8859-2"
        )
    )
    assert read(path).text == "Żółć gęś"


def test_broken_markup_is_read_as_far_as_it_goes() -> None:
    assert [block.text for block in blocks("<p>One<p>Two<table><tr><td>Three")] == [
        "One",
        "Two",
        "Three",
    ]


def test_deeply_nested_markup_is_read() -> None:
    assert "deep" in blocks("<div>" * 3000 + "deep")[0].text


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    """A Word file with a title, headings, a list and a table."""
    document = docx.Document()
    document.core_properties.title = "Staff handbook"
    document.add_heading("Leave", level=1)
    document.add_paragraph("Every employee has 28 days of paid leave.")
    document.add_heading("Parental leave", level=2)
    document.add_paragraph("Sixteen weeks", style="List Bullet")
    document.add_paragraph("Fully paid", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ["Week", "Share", "1 to 6", "100 %"], strict=True):
        cell.text = text
    path = tmp_path / "handbook.docx"
    document.save(str(path))
    return path


def test_a_word_file(handbook: Path) -> None:
    document = read(handbook)
    assert document.title == "Staff handbook"
    assert [(h.level, h.title) for h in document.headings] == [(1, "Leave"), (2, "Parental leave")]
    assert document.text == (
        "Leave\n\nEvery employee has 28 days of paid leave.\n\n"
        "Parental leave\n\n• Sixteen weeks\n• Fully paid\n\nWeek | Share\n1 to 6 | 100 %"
    )


def test_a_word_file_cut_short_is_damaged(handbook: Path) -> None:
    handbook.write_bytes(handbook.read_bytes()[:-2000])
    with pytest.raises(UnreadableError) as caught:
        read(handbook)
    assert caught.value.reason == "damaged"


def test_a_word_file_with_broken_insides_is_damaged(handbook: Path) -> None:
    broken = handbook.with_name("broken.docx")
    with zipfile.ZipFile(handbook) as source, zipfile.ZipFile(broken, "w") as target:
        for name in source.namelist():
            raw = source.read(name)
            target.writestr(name, raw[: len(raw) // 2] if name == "word/document.xml" else raw)
    with pytest.raises(UnreadableError) as caught:
        read(broken)
    assert caught.value.reason == "damaged"


def write_epub(path: Path, chapters: dict[str, str], *, protected: bool = False) -> Path:
    items = "".join(
        f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml"/>'
        for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="i{n}"/>' for n in reversed(range(len(chapters))))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        )
        archive.writestr(
            "OEBPS/book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>Der Garten</dc:title>'
            f"<dc:language>de-DE</dc:language></metadata><manifest>{items}</manifest>"
            f"<spine>{spine}</spine></package>",
        )
        for name, markup in chapters.items():
            archive.writestr(f"OEBPS/{name}", markup)
        if protected:
            archive.writestr("META-INF/rights.xml", "<rights/>")
    return path


def test_a_book_is_read_in_the_order_of_its_spine(tmp_path: Path) -> None:
    path = write_epub(
        tmp_path / "garten.epub",
        {
            "zwei%20b.xhtml": "<html><body><h1>Zwei</h1><p>Rosen.</p></body></html>",
            "eins.xhtml": "<html><body><h1>Eins</h1><p>Erde.</p></body></html>",
        },
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(
            "OEBPS/zwei b.xhtml", "<html><body><h1>Zwei</h1><p>Rosen.</p></body></html>"
        )
    document = read(path)
    assert (document.title, document.language) == ("Der Garten", "de")
    assert document.text == "Eins\n\nErde.\n\nZwei\n\nRosen."


def test_a_copy_protected_book_says_so(tmp_path: Path) -> None:
    path = write_epub(tmp_path / "a.epub", {"a.xhtml": "<p>locked</p>"}, protected=True)
    with pytest.raises(UnreadableError) as caught:
        read(path)
    assert caught.value.reason == "encrypted"
