"""Which reader a file needs: told by its content first, by its suffix only among texts."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from homing.ingestion.raw import RawDocument, UnreadableError
from homing.ingestion.readers.docx import read_docx
from homing.ingestion.readers.epub import read_epub
from homing.ingestion.readers.html import read_html
from homing.ingestion.readers.markdown import read_markdown
from homing.ingestion.readers.pdf import read_pdf
from homing.ingestion.readers.text import guess_encoding, read_text

Reader = Callable[[Path], RawDocument]

MAX_BYTES = 500_000_000
HEAD_BYTES = 64_000
PDF_MARK_WITHIN = 1024

HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype\s+html|<html|<head\b|<body\b)",
    re.IGNORECASE | re.DOTALL,
)
BY_SUFFIX: dict[str, Reader] = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd"), read_markdown),
    **dict.fromkeys((".html", ".htm", ".xhtml"), read_html),
    **dict.fromkeys(("", ".txt", ".text", ".rst", ".adoc", ".org", ".log"), read_text),
    **dict.fromkeys((".pdf", ".docx", ".epub", ".doc"), read_text),  # named so, but plain text
}
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"BM")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
READABLE = "PDF, DOCX, HTML, Markdown, EPUB and text can be read"


def find_reader(path: Path, max_bytes: int = MAX_BYTES) -> Reader:
    """Return the reader for a file.

    Raises:
        UnreadableError: "empty_file", "too_large", "damaged", "encrypted", "not_text" or
            "unsupported_format".
        OSError: If the file cannot be opened.
    """
    n_bytes = path.stat().st_size
    if n_bytes == 0:
        raise UnreadableError("empty_file", f"{path.name} is empty (0 bytes). Fetch it again.")
    if n_bytes > max_bytes:
        raise UnreadableError(
            "too_large",
            f"{path.name} has {n_bytes / 1e6:,.0f} MB; the limit is {max_bytes / 1e6:,.0f} MB. "
            "Split it.",
        )
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if b"%PDF-" in head[:PDF_MARK_WITHIN]:
        return read_pdf
    if head.startswith(b"PK\x03\x04"):
        return _zip_reader(path)
    return _text_reader(path, head)


def _zip_reader(path: Path) -> Reader:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UnreadableError(
            "damaged", f"{path.name} is a damaged or truncated file ({error}). Fetch it again."
        ) from error
    if "word/document.xml" in names:
        return read_docx
    if "META-INF/container.xml" in names:
        return read_epub
    raise _unsupported(path, "an archive, a spreadsheet or slides")


def _text_reader(path: Path, head: bytes) -> Reader:
    suffix = path.suffix.lower()
    if head.startswith(OLE):
        if suffix == ".docx":
            raise UnreadableError(
                "encrypted", f"{path.name} is encrypted. Save a copy without a password."
            )
        raise _unsupported(path, "in an old Office format")
    if head.startswith(PICTURES):
        raise UnreadableError(
            "unsupported_format",
            f"{path.name} is a picture. Turn it into a PDF with a text layer, for instance with: "
            "ocrmypdf --image-dpi 300 in.png out.pdf",
        )
    encoding = guess_encoding(head)
    if encoding is None:
        raise UnreadableError("not_text", f"{path.name} holds binary data, not text. {READABLE}.")
    if HTML.match(head.decode(encoding, errors="replace").lstrip("\ufeff")):
        return read_html
    if suffix not in BY_SUFFIX:
        raise _unsupported(path, f"of a kind that is not read (*{suffix})")
    return BY_SUFFIX[suffix]


def _unsupported(path: Path, what: str) -> UnreadableError:
    return UnreadableError(
        "unsupported_format",
        f"{path.name} is {what}. {READABLE}; convert it, or rename it to .txt if it is plain text.",
    )
