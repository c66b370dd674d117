"""PDF: text, pages, titles and headings of real reports and of small files made here."""

from __future__ import annotations

from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate

from homing.ingestion.chunking import Chunker
from homing.ingestion.files import SourceFile
from homing.ingestion.raw import UnreadableError
from homing.ingestion.reading import read_document
from homing.types import Document

PROSE = (
    "Employees who become parents are entitled to sixteen weeks of paid leave, which they may "
    "take in up to three parts until the first birthday of the child. The request is made in "
    "writing, at least seven weeks before the leave begins, and cannot be refused. "
)


def read(path: Path) -> Document:
    return read_document(SourceFile(path, path.name))


def reason_of(path: Path) -> str:
    with pytest.raises(UnreadableError) as caught:
        read(path)
    assert path.name in caught.value.detail
    return caught.value.reason


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    """Three printed pages with headings and running heads."""
    styles = getSampleStyleSheet()
    story = []
    for chapter in ("Leave", "Pay", "Conduct"):
        story.append(Paragraph(chapter, styles["Heading1"]))
        for section in ("Who it is for", "How to ask"):
            story.append(Paragraph(f"{section}", styles["Heading2"]))
            story += [Paragraph(PROSE * 2, styles["BodyText"])] * 4
    path = tmp_path / "handbook.pdf"

    def furniture(canvas: Canvas, doc: SimpleDocTemplate) -> None:
        canvas.drawString(72, A4[1] - 40, "ACME internal")
        canvas.drawCentredString(A4[0] / 2, 30, f"Page {doc.page}")

    SimpleDocTemplate(str(path), pagesize=A4, title="Staff handbook 2024").build(
        story, onFirstPage=furniture, onLaterPages=furniture
    )
    return path


@pytest.fixture(scope="module")
def uber_document(uber: Path) -> Document:
    return read(uber)


@pytest.fixture(scope="module")
def lyft_document(lyft: Path) -> Document:
    return read(lyft)


def test_a_printed_handbook(handbook: Path) -> None:
    document = read(handbook)
    assert document.title == "Staff handbook 2024"
    assert document.language == "en"
    assert [(h.level, h.title) for h in document.headings] == [
        (level, title)
        for chapter in ("Leave", "Pay", "Conduct")
        for level, title in ((1, chapter), (2, "Who it is for"), (2, "How to ask"))
    ]
    assert "ACME internal" not in document.text
    assert "Page" not in document.text
    assert document.text.count((PROSE * 2).strip()) == 24


def test_pages_begin_where_they_begin(handbook: Path) -> None:
    document = read(handbook)
    n_pages = len(PdfReader(handbook).pages)
    assert len(document.page_starts) == n_pages > 2
    assert document.page_starts[0] == 0
    assert list(document.page_starts) == sorted(document.page_starts)


def test_a_bookmark_names_a_heading_that_looks_like_text(tmp_path: Path) -> None:
    path = tmp_path / "plain.pdf"
    canvas = Canvas(str(path))
    for title in ("Leave", "Pay"):
        canvas.bookmarkPage(title)
        canvas.addOutlineEntry(title, title, 0)
        canvas.drawString(72, 700, title)
        for i, line in enumerate(PROSE.split(". ")):
            canvas.drawString(72, 670 - 14 * i, line[:90])
        canvas.showPage()
    canvas.save()
    assert [heading.title for heading in read(path).headings] == ["Leave", "Pay"]


def test_annual_reports_are_titled_by_what_their_cover_prints_largest(
    uber_document: Document, lyft_document: Document
) -> None:
    assert uber_document.title == "UBER TECHNOLOGIES, INC."
    assert lyft_document.title == "Lyft, Inc."
    assert (uber_document.language, lyft_document.language) == ("en", "en")


def path_of(document: Document, title: str) -> list[str]:
    """Return the headings above and including the first one with that title."""
    number = [heading.title for heading in document.headings].index(title)
    path = [document.headings[number]]
    for heading in document.headings[number::-1]:
        if heading.level < path[0].level:
            path.insert(0, heading)
    return [heading.title for heading in path]


def test_items_parts_and_notes_of_an_annual_report_are_nested(
    uber_document: Document, lyft_document: Document
) -> None:
    assert path_of(uber_document, "Platform Synergies") == [
        "PART I",
        "ITEM 1. BUSINESS",
        "Platform Synergies",
    ]
    assert path_of(uber_document, "California Attorney General Lawsuit")[-3:] == [
        "Note 15 – Commitments and Contingencies",
        "Driver Classification",
        "California Attorney General Lawsuit",
    ]
    assert path_of(lyft_document, "Risk Factor Summary") == [
        "PART I",
        "Item 1A. Risk Factors.",
        "Risk Factor Summary",
    ]
    assert path_of(lyft_document, "Patent Litigation")[-3:] == [
        "9. Commitments and Contingencies",
        "Legal Proceedings",
        "Patent Litigation",
    ]


@pytest.mark.parametrize("company", ["uber", "lyft"])
def test_every_item_of_the_form_is_a_heading(
    company: str, uber_document: Document, lyft_document: Document
) -> None:
    document = uber_document if company == "uber" else lyft_document
    found = " ".join(h.title.lower() for h in document.headings)
    for item in ("1", "1a", "1b", "2", "3", "4", "5", "6", "7", "7a", "8", "9", "9a", "10", "15"):
        assert f"item {item}." in found


def test_neither_cover_nor_contents_give_headings(
    uber_document: Document, lyft_document: Document
) -> None:
    for document in (uber_document, lyft_document):
        third_page = document.page_starts[2]
        on_cover = [h.title for h in document.headings if h.start < document.page_starts[1]]
        in_contents = [h for h in document.headings if h.title.startswith(("Item 1A", "ITEM 1A"))]
        assert on_cover == []
        assert len(in_contents) == 1
        assert in_contents[0].start > third_page


def test_columns_heads_and_dates_of_tables_are_no_headings(uber_document: Document) -> None:
    titles = {heading.title for heading in uber_document.headings}
    assert not {t for t in titles if t.startswith(("Year Ended", "As of December", "(In millions"))}
    assert not {"Accumulated", "Total", "Redeemable", "Common Stock Additional"} & titles


@pytest.mark.parametrize("company", ["uber", "lyft"])
def test_passages_of_annual_reports_are_slices_with_the_right_page(
    company: str,
    uber: Path,
    lyft: Path,
    chunker: Chunker,
    uber_document: Document,
    lyft_document: Document,
) -> None:
    document = uber_document if company == "uber" else lyft_document
    pdf = PdfReader(uber if company == "uber" else lyft)
    passages = chunker.chunk(document)
    assert len(passages) > 700
    for passage in passages:
        assert document.text[passage.start : passage.end] == passage.text
        assert chunker.count_tokens(passage.text) <= 256
    for passage in passages[::120]:
        assert passage.page is not None
        opening = "".join(passage.text.split())[:12]
        assert opening in "".join(pdf.pages[passage.page - 1].extract_text().split())


def test_an_encrypted_file_names_the_remedy(handbook: Path) -> None:
    writer = PdfWriter(clone_from=handbook)
    writer.encrypt(user_password="sesame", algorithm="RC4-128")
    writer.write(handbook)
    assert reason_of(handbook) == "encrypted"


def test_a_file_that_anyone_may_open_is_read_though_it_is_encrypted(handbook: Path) -> None:
    writer = PdfWriter(clone_from=handbook)
    writer.encrypt(user_password="", owner_password="boss", algorithm="RC4-128")
    writer.write(handbook)
    assert "sixteen weeks of paid leave" in read(handbook).text


def test_a_file_cut_short_is_damaged(handbook: Path) -> None:
    handbook.write_bytes(handbook.read_bytes()[:900])
    assert reason_of(handbook) == "damaged"


def test_a_real_report_cut_short_is_damaged(lyft: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.pdf"
    path.write_bytes(lyft.read_bytes()[:300_000])
    assert reason_of(path) == "damaged"


def test_a_mark_without_a_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "mark.pdf"
    path.write_bytes(b"%PDF-1.7\n" + bytes(1000))
    assert reason_of(path) == "damaged"


def test_pictures_without_text_name_the_remedy(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "scan.pdf"
    pictures = [Image.new("RGB", (300, 400), color) for color in ("white", "grey")]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    with pytest.raises(UnreadableError, match="ocrmypdf") as caught:
        read(path)
    assert caught.value.reason == "no_text_layer"
    assert "2 pages" in caught.value.detail


def test_a_scanners_mark_on_every_page_is_no_text_layer(tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    canvas = Canvas(str(path))
    for _ in range(5):
        canvas.drawString(72, 20, "Scanned with PaperCam")
        canvas.showPage()
    canvas.save()
    assert reason_of(path) == "no_text_layer"


def test_a_title_that_is_a_file_name_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "leave_policy.pdf"
    canvas = Canvas(str(path))
    canvas.setTitle("Microsoft Word - draft7_FINAL.docx")
    canvas.drawString(72, 700, "Leave is paid for sixteen weeks.")
    canvas.save()
    assert read(path).title == "leave policy"
