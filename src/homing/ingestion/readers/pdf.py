"""PDF, through pdfium: the only file that imports it.

pdfium is not thread-safe and may crash on hostile files: call this in a worker process.
Costs about 2 ms a page: text comes page by page, geometry and font only for the two ends of each
line.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from homing.ingestion.characters import squash
from homing.ingestion.cleaning import clean_pages
from homing.ingestion.headings import Bookmark, body_size, mark_headings
from homing.ingestion.raw import Line, RawDocument, UnreadableError
from homing.ingestion.titles import is_sensible_title, printed_title

FONT_NAME_BYTES = 128
MAX_OUTLINE_DEPTH = 6
WIDE_GAP = 1.5
"""In heights of the font; wider than any space between words."""


def read_pdf(path: Path) -> RawDocument:
    """Return the cleaned text of a PDF, page by page, with the headings found in it.

    Raises:
        UnreadableError: "encrypted", "damaged" or "no_text_layer".
    """
    with _opened(path) as pdf:
        pages = clean_pages([_page_lines(pdf, number) for number in range(len(pdf))])
        if not any(pages):  # nothing, or no more than a scanner's mark on every page
            raise _no_text_error(path, len(pdf))
        title = squash(pdf.get_metadata_dict().get("Title", ""))
        outline = _outline(pdf)
    if not is_sensible_title(title):
        title = printed_title(pages[0], body_size(chain.from_iterable(pages)))
    return RawDocument(title, mark_headings(pages, outline), paged=True)


def read_lines(path: Path, numbers: Iterable[int]) -> list[list[Line]]:
    """Return the printed lines of some pages, counted from 1; errors as in `read_pdf`."""
    with _opened(path) as pdf:
        return [_page_lines(pdf, number - 1) for number in numbers]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise _opening_error(path, error) from error
    try:
        yield pdf
    except pypdfium2.PdfiumError as error:
        raise _opening_error(path, error) from error
    finally:
        pdf.close()


def _opening_error(path: Path, error: Exception) -> UnreadableError:
    if "password" in str(error).lower():
        return UnreadableError(
            "encrypted",
            f"{path.name} is encrypted. Save a copy without a password, for instance with: "
            "qpdf --decrypt --password=SECRET in.pdf out.pdf",
        )
    return UnreadableError(
        "damaged",
        f"{path.name} is a damaged or truncated PDF ({error}). Fetch it again, or repair it, for "
        "instance with: qpdf in.pdf out.pdf",
    )


def _no_text_error(path: Path, n_pages: int) -> UnreadableError:
    if n_pages == 0:
        return UnreadableError("damaged", f"{path.name} has no pages. Fetch the file again.")
    return UnreadableError(
        "no_text_layer",
        f"{path.name}: none of its {n_pages} pages has a text layer; they are pictures. "
        "Run OCR first, for instance with: ocrmypdf in.pdf out.pdf",
    )


def _outline(pdf: Any) -> list[Bookmark]:
    """Return the entries of the file's outline that lead to a page of it."""
    import pypdfium2

    entries = []
    with suppress(pypdfium2.PdfiumError, ValueError):  # a broken outline costs the outline alone
        for bookmark in pdf.get_toc(max_depth=MAX_OUTLINE_DEPTH):
            target = bookmark.get_dest()
            page = target.get_index() if target else None
            if page is not None:
                entries.append(Bookmark(squash(bookmark.get_title()), bookmark.level, page))
    return entries


def _page_lines(pdf: Any, number: int) -> list[Line]:
    """Return the lines of one page, top to bottom as pdfium orders them."""
    page = pdf[number]
    try:
        text_page = page.get_textpage()
        try:
            return _PageReader(text_page).lines()
        finally:
            text_page.close()
    finally:
        page.close()


class _PageReader:
    """Cuts the text of one page into lines and measures them."""

    def __init__(self, text_page: Any) -> None:
        import pypdfium2.raw as pdfium

        self.pdfium = pdfium
        self.handle = text_page.raw
        self.text: str = text_page.get_text_range()
        self.aligned = len(self.text) == text_page.count_chars()
        self.x, self.y = ctypes.c_double(), ctypes.c_double()
        self.box = pdfium.FS_RECTF()
        self.name = ctypes.create_string_buffer(FONT_NAME_BYTES)
        self.flags = ctypes.c_int()

    def lines(self) -> list[Line]:
        """Return the lines, white space stripped, empty ones left out."""
        found: list[Line] = []
        start = 0
        for part in self.text.split("\n"):
            first = start + len(part) - len(part.lstrip())
            last = start + len(part.rstrip())
            start += len(part) + 1
            while first < last:
                x, base = self._origin(first)
                end = self._line_end(first, last, base)
                found.append(self._measure(first, end, x, base))
                first = end
                while first < last and self.text[first].isspace():
                    first += 1
        return found

    def _index(self, position: int) -> int:
        """Return pdfium's number of the character at `position` of the text."""
        if self.aligned:
            return position
        index: int = self.pdfium.FPDFText_GetCharIndexFromTextIndex(self.handle, position)
        return max(index, 0)

    def _origin(self, position: int) -> tuple[float, float]:
        """Return where a character stands: x and base line, in points."""
        self.pdfium.FPDFText_GetCharOrigin(self.handle, self._index(position), self.x, self.y)
        return self.x.value, self.y.value

    def _height(self, position: int) -> float:
        """Return the height of a character's font on the page, in points."""
        self.pdfium.FPDFText_GetLooseCharBox(self.handle, self._index(position), self.box)
        return float(abs(self.box.top - self.box.bottom))

    def _line_end(self, first: int, last: int, base: float) -> int:
        """Return where the characters leave the base line, `base`, on which `first` stands.

        pdfium sometimes runs lines together, list items above all; their base lines tell.
        """
        away = abs(self._origin(last - 1)[1] - base)
        if away < 1.0:
            return last
        slack = 0.6 * (self._height(first) or 10.0)
        if away <= slack:
            return last
        low, high = first, last - 1
        while high - low > 1:
            middle = (low + high) // 2
            probe = middle
            while probe > low and self.text[probe].isspace():
                probe -= 1  # spaces that pdfium made up have no place of their own
            if abs(self._origin(probe)[1] - base) <= slack:
                low = middle
            else:
                high = probe
        return high if high > first else last

    def _measure(self, first: int, end: int, x: float, base: float) -> Line:
        text = self.text[first:end].rstrip()
        last = first + len(text) - 1
        bold, italic = self._style(first)
        if bold or italic:
            bold_end, italic_end = self._style(last)
            middle = first + len(text) // 2
            bold_middle, italic_middle = self._style(middle)
            bold, italic = (
                bold and bold_end and (bold_middle or text[middle - first].isspace()),
                italic and italic_end and (italic_middle or text[middle - first].isspace()),
            )
        size = self._height(last)  # the first may be a bullet in another font
        right = float(self.box.right)
        tabular = self._gap_before_last_word(first, text) > WIDE_GAP * size
        return Line(text, x, right, base, size, bold, italic, tabular)

    def _gap_before_last_word(self, first: int, text: str) -> float:
        """Return the distance to the word before, where the last one has a figure in it."""
        space = text.rfind(" ")
        if space < 1 or not any(map(str.isdigit, text[space:])):
            return 0.0
        begin = self._origin(first + space + 1)[0]
        self._height(first + len(text[:space].rstrip()) - 1)
        return begin - float(self.box.right)

    def _style(self, position: int) -> tuple[bool, bool]:
        """Return whether a character is bold and whether it is italic, by its font's name."""
        index = self._index(position)
        self.pdfium.FPDFText_GetFontInfo(self.handle, index, self.name, FONT_NAME_BYTES, self.flags)
        name = self.name.value.lower()
        bold = b"bold" in name or b"black" in name or b"heavy" in name or b"demi" in name
        return bold, b"italic" in name or b"oblique" in name
