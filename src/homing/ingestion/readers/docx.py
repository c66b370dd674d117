"""DOCX, through mammoth and the HTML reader."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.etree.ElementTree import ParseError, fromstring
from xml.parsers.expat import ExpatError

from homing.ingestion.raw import RawDocument, UnreadableError
from homing.ingestion.readers.html import parse_html

STYLES = "\n".join(
    [
        "p[style-name='Title'] => h1:fresh",
        "p[style-name='Subtitle'] => p:fresh",
        *(f"p[style-name='Überschrift {level}'] => h{level}:fresh" for level in range(1, 7)),
        *(f"p[style-name='Titre {level}'] => h{level}:fresh" for level in range(1, 7)),
    ]
)
TITLE = "{http://purl.org/dc/elements/1.1/}title"
MAX_XML_BYTES = 200_000_000


def read_docx(path: Path) -> RawDocument:
    """Return the blocks of a Word file; pictures, headers and footers are left out.

    Raises:
        UnreadableError: "damaged" or "too_large".
    """
    import mammoth

    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("word/document.xml").file_size > MAX_XML_BYTES:
                raise UnreadableError("too_large", f"{path.name} holds too much text. Split it.")
            title = _stated_title(archive)
        with path.open("rb") as file:
            markup = mammoth.convert_to_html(
                file, style_map=STYLES, convert_image=lambda image: []
            ).value
    except (zipfile.BadZipFile, KeyError, ParseError, ExpatError, EOFError) as error:
        raise UnreadableError(
            "damaged", f"{path.name} is a damaged Word file ({error}). Open it in Word and save it."
        ) from error
    raw = parse_html(f"<html><body>{markup}</body></html>")
    return RawDocument(title, raw.pages)


def _stated_title(archive: zipfile.ZipFile) -> str:
    """Return the title in the file's properties, or ""."""
    if "docProps/core.xml" not in archive.namelist():
        return ""
    node = fromstring(archive.read("docProps/core.xml")).find(TITLE)  # noqa: S314
    return (node.text or "").strip() if node is not None else ""
