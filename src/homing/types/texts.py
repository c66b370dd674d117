"""Documents, their passages, and what was dropped of them.

Ids are content hashes, so that two machines, or two engines, name the same thing the same way.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

Span = tuple[int, int]
"""Half-open character range (start, end)."""


def content_id(*parts: str) -> str:
    """Return 16 hex digits that depend on every part and on where one part ends."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a document.

    Attributes:
        level: 1 for the outermost, as in HTML.
        title: The heading's words, in one line.
        start: Offset in `Document.text` of the heading's own line.
        end: Offset just after that line; the section's body starts here.
    """

    level: int
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """One source file or record, as clean text.

    Attributes:
        id: `content_id(path, text)`.
        path: Where it came from, relative to the folder that was given, with `/`.
        title: From the file's metadata or first heading, else its name.
        text: The cleaned text; every offset elsewhere points into it.
        page_starts: Offset at which each page begins (page 1 first); empty if it has no pages.
        headings: In the order of the text.
        language: Two-letter code, or "" when unknown.
    """

    id: str
    path: str
    title: str
    text: str
    page_starts: tuple[int, ...] = ()
    headings: tuple[Heading, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """The retrieval unit: `document.text[start:end] == text`.

    Attributes:
        id: `content_id(document path, *heading_path, text, occurrence)`.
        page: 1-based page on which it begins, or None.
        heading_path: Document title (if any) first, then the headings from the outermost in.
    """

    id: str
    document_id: str
    start: int
    end: int
    text: str
    heading_path: tuple[str, ...] = ()
    page: int | None = None

    @property
    def title(self) -> str:
        """The document's title and the last two headings, such as "Handbook > Leave > Parents".

        What lies between says little ("Part II", "Item 8") and costs tokens in every passage.
        """
        path = self.heading_path
        return " > ".join(path if len(path) <= 3 else (path[0], *path[-2:]))


def passage_input(title: str, text: str) -> str:
    """Return the string that an encoder or BM25 is given for a passage: title, line break, text."""
    return f"{title}\n{text}" if title else text


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that a stage dropped: nothing vanishes.

    Attributes:
        item_id: Path, passage id or query id.
        stage: "ingest", "write", "curate".
        reason: Short code in snake_case, such as "no_text_layer".
        detail: What happened and what to do, for a person.
        text: The raw text, cut at 2,000 characters.
    """

    item_id: str
    stage: str
    reason: str
    detail: str = ""
    text: str = ""
