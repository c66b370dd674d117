"""EPUB: the chapters in reading order, through the standard zip and the HTML reader."""

from __future__ import annotations

import posixpath
import zipfile
from pathlib import Path
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError, fromstring

from homing.ingestion.raw import Block, RawDocument, UnreadableError
from homing.ingestion.readers.html import decode_html, parse_html

MAX_CHAPTER_BYTES = 100_000_000
PAGES = ("application/xhtml+xml", "text/html")


def read_epub(path: Path) -> RawDocument:
    """Return the blocks of all chapters of an e-book, its title and its language.

    Raises:
        UnreadableError: "encrypted" (copy protection), "damaged" or "too_large".
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path.name)
    except (zipfile.BadZipFile, KeyError, ParseError, EOFError) as error:
        raise UnreadableError(
            "damaged", f"{path.name} is a damaged e-book ({error}). Fetch it again."
        ) from error
    except RuntimeError as error:  # zipfile's way to say that a password is needed
        raise _protected(path.name) from error


def _read(archive: zipfile.ZipFile, name: str) -> RawDocument:
    if "META-INF/rights.xml" in archive.namelist():
        raise _protected(name)
    container = fromstring(archive.read("META-INF/container.xml"))  # noqa: S314
    rootfile = container.find(".//{*}rootfile")
    if rootfile is None:
        raise KeyError("no rootfile")
    package_path = rootfile.attrib["full-path"]
    package = fromstring(archive.read(package_path))  # noqa: S314
    blocks: list[Block] = []
    for chapter in _chapters(package, posixpath.dirname(package_path)):
        if archive.getinfo(chapter).file_size > MAX_CHAPTER_BYTES:
            raise UnreadableError("too_large", f"{name}: the chapter {chapter} is too large.")
        page = parse_html(decode_html(archive.read(chapter), chapter))
        blocks += (block for blocks_of_page in page.pages for block in blocks_of_page)
    language = _stated(package, "language")[:2].lower()
    return RawDocument(_stated(package, "title"), (tuple(blocks),), language=language)


def _chapters(package: Element, folder: str) -> list[str]:
    """Return the paths in the archive of the pages in reading order, the contents left out."""
    items = {item.get("id"): item for item in package.iterfind(".//{*}manifest/{*}item")}
    paths = []
    for reference in package.iterfind(".//{*}spine/{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in PAGES:
            continue
        if "nav" not in (item.get("properties") or "").split():
            paths.append(posixpath.normpath(posixpath.join(folder, unquote(item.attrib["href"]))))
    return paths


def _stated(package: Element, name: str) -> str:
    node = package.find(f".//{{http://purl.org/dc/elements/1.1/}}{name}")
    return " ".join((node.text or "").split()) if node is not None else ""


def _protected(name: str) -> UnreadableError:
    return UnreadableError(
        "encrypted", f"{name} is copy-protected or encrypted. Get a copy without protection."
    )
