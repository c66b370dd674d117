"""Which reader a file needs: told by its content first, by its suffix only among texts."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path

from homing.ingestion.raw import RawDocument, UnreadableError

Reader = Callable[[Path], RawDocument]

MAX_BYTES = 500_000_000
HEAD_BYTES = 64_000
PDF_MARK_WITHIN = 1024

HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype\s+html|<html|<head\b|<body\b)",
    re.IGNORECASE | re.DOTALL,
)
BY_SUFFIX = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys(("", ".txt", ".text", ".rst", ".adoc", ".org", ".log"), "text"),
    **dict.fromkeys((".pdf", ".docx", ".epub", ".doc"), "text"),  # named so, but plain text
}
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"BM")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
READABLE = "PDF, DOCX, HTML, Markdown, EPUB and text can be read"


def find_reader(path: Path, max_bytes: int = MAX_BYTES) -> Reader:
    """Return the reader for a file; only that one is imported.

    Raises:
        UnreadableError: "empty_file", "too_large", "damaged", "encrypted", "not_text" or
            "unsupported_format".
        OSError: If the file cannot be opened.
    """
    check_size(path.name, path.stat().st_size, max_bytes)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if b"%PDF-" in head[:PDF_MARK_WITHIN]:
        return _reader("pdf")
    if head.startswith(b"PK\x03\x04"):
        return _reader(_zip_format(path))
    return _reader(_text_format(path, head))


def check_size(name: str, n_bytes: int, max_bytes: int) -> None:
    """Raise `UnreadableError` for a file that is empty or too large; it is not opened."""
    if n_bytes == 0:
        raise UnreadableError("empty_file", f"{name} is empty (0 bytes). Fetch it again.")
    if n_bytes > max_bytes:
        raise UnreadableError(
            "too_large",
            f"{name} has {n_bytes / 1e6:,.0f} MB; the limit is {max_bytes / 1e6:,.0f} MB. "
            "Split it.",
        )


def _reader(name: str) -> Reader:
    module = importlib.import_module(f"homing.ingestion.readers.{name}")
    reader: Reader = getattr(module, f"read_{name}")
    return reader


def _zip_format(path: Path) -> str:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UnreadableError(
            "damaged", f"{path.name} is a damaged or truncated file ({error}). Fetch it again."
        ) from error
    if "word/document.xml" in names:
        return "docx"
    if "META-INF/container.xml" in names:
        return "epub"
    raise _unsupported(path, "an archive, a spreadsheet or slides")


def _text_format(path: Path, head: bytes) -> str:
    from homing.ingestion.readers.text import guess_encoding

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
        return "html"
    if suffix not in BY_SUFFIX:
        raise _unsupported(path, f"of a kind that is not read (*{suffix})")
    return BY_SUFFIX[suffix]


def _unsupported(path: Path, what: str) -> UnreadableError:
    return UnreadableError(
        "unsupported_format",
        f"{path.name} is {what}. {READABLE}; convert it, or rename it to .txt if it is plain text.",
    )
