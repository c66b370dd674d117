"""What every reader hands over: blocks of text by page, and the error for what it cannot read."""

from __future__ import annotations

from dataclasses import dataclass

from homing.errors import HomingError


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a table row, a list item or a heading.

    Attributes:
        text: Clean, without outer white space.
        level: 0 for body text, 1 and up for a heading (1 the outermost).
        glue: What stands between the block before and this one; " " or "" continue a paragraph.
    """

    text: str
    level: int = 0
    glue: str = "\n\n"


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line of a page; lengths in points, `base` counted from the foot of the page.

    Attributes:
        size: Height of the font.
        bold: The whole line is.
        italic: The whole line is.
        tabular: A wide gap stands before its last word, as in a table's row.
    """

    text: str
    left: float
    right: float
    base: float
    size: float
    bold: bool = False
    italic: bool = False
    tabular: bool = False


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A file's content.

    Attributes:
        title: From the file's own metadata, or "".
        pages: Blocks of each page; one page for formats that have none.
        paged: The pages are real ones.
        language: Two-letter code that the file states, or "".
    """

    title: str
    pages: tuple[tuple[Block, ...], ...]
    paged: bool = False
    language: str = ""


class UnreadableError(HomingError):
    """A file cannot become a document; it is turned into a `Rejection`.

    Attributes:
        reason: Short code in snake_case, such as "encrypted".
        detail: What happened and what to do.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
