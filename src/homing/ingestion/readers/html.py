"""HTML: headings, paragraphs, lists, tables as rows; what frames the page is left out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from homing.ingestion.characters import clean_text, squash
from homing.ingestion.raw import Block, RawDocument
from homing.ingestion.readers.text import decode_bytes, is_utf8

DROPPED = (
    "script style noscript template svg math canvas iframe object button select textarea "
    "nav header footer aside dialog"
).split()
DROPPED_ROLES = "navigation banner contentinfo search complementary menu dialog alert".split()
HEADINGS = {f"h{level}": level for level in range(1, 7)}
BLOCKS = frozenset(
    "address article blockquote body caption center dd details div dl dt fieldset figcaption "
    "figure hr html li main ol p pre section summary table tbody td tfoot th thead tr ul".split()
)


CHARSET = re.compile(rb"<(?:meta[^>]+charset|\?xml[^>]+encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.I)
CHARSET_WITHIN = 4096


def read_html(path: Path) -> RawDocument:
    """Return the blocks of an HTML file."""
    return parse_html(decode_html(path.read_bytes(), path.name))


def decode_html(raw: bytes, name: str) -> str:
    """Return the characters of a page: UTF-8 where it is that, else as the page states."""
    stated = CHARSET.search(raw[:CHARSET_WITHIN])
    if stated and not is_utf8(raw):
        with contextlib.suppress(LookupError):
            return raw.decode(stated[1].decode("ascii"), errors="replace")
    return decode_bytes(raw, name)


def parse_html(markup: str) -> RawDocument:
    """Return the blocks of an HTML page, its title and its stated language."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(markup)
    title = tree.css_first("title")
    language = (tree.root.attributes.get("lang") or "")[:2].lower() if tree.root else ""
    body = tree.body
    if body is None:
        return RawDocument("", ((),))
    _drop_furniture(body)
    walker = _Walker()
    blocks = tuple(walker.blocks(body))
    return RawDocument(squash(title.text()) if title else "", (blocks,), language=language)


def _drop_furniture(body: Any) -> None:
    """Take out of the tree what is not the page's own text."""
    roles = [f"[role={role}]" for role in DROPPED_ROLES]
    for node in body.css(", ".join([*DROPPED, *roles, "[hidden]", "[aria-hidden=true]"])):
        kept = node.tag in ("header", "aside") and _has_main_heading(node)
        if not kept:
            node.decompose()


def _has_main_heading(node: Any) -> bool:
    """Return whether a header is an article's own, with its title in it."""
    return (
        node.tag == "header" and node.css_first("h1, h2") is not None and not node.css_first("nav")
    )


class _Walker:
    """Goes through the tree once, collecting the text of the present block."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.glue = "\n\n"

    def blocks(self, node: Any) -> Iterator[Block]:
        """Yield the blocks below a node."""
        yield from self._children(node)
        yield from self._flush()

    def _flush(self, glue: str = "\n\n") -> Iterator[Block]:
        """Yield what was collected; `glue` goes before the next block."""
        text = "\n".join(squash(line) for line in "".join(self.words).split("\v"))
        text = text.strip()
        self.words = []
        if text:
            yield Block(text, 0, self.glue)
        self.glue = glue

    def _children(self, node: Any) -> Iterator[Block]:
        for child in node.iter(include_text=True):
            yield from self._node(child)

    def _node(self, node: Any) -> Iterator[Block]:
        tag = node.tag
        if tag == "-text":
            self.words.append(node.text_content or "")
        elif tag == "br":
            self.words.append("\v")
        elif tag in HEADINGS:
            yield from self._flush()
            title = squash(node.text(deep=True, separator=""))
            if title:
                yield Block(title, HEADINGS[tag])
        elif tag == "pre":
            yield from self._flush()
            text = clean_text(node.text(deep=True)).strip("\n").rstrip()
            if text.strip():
                yield Block(text)
        elif tag == "tr":
            yield from self._flush("\n")
            yield from self._row(node)
        elif tag == "li":
            yield from self._flush("\n")
            self.words.append("• ")
            yield from self._children(node)
            yield from self._flush("\n")
        elif tag in BLOCKS:
            yield from self._flush()
            yield from self._children(node)
            yield from self._flush()
        elif not tag.startswith(("-", "_", "!")):
            yield from self._children(node)

    def _row(self, row: Any) -> Iterator[Block]:
        """Yield a table's row as one line; a row that only lays out the page as what is in it."""
        if row.css_first("table, p + p, h1, h2, h3, h4, ul, ol") is not None:
            yield from self._children(row)
            yield from self._flush()
            return
        cells = [squash(cell.text(separator=" ")) for cell in row.css("td, th")]
        line = " | ".join(cell for cell in cells if cell)
        if line:
            self.words.append(line)
        yield from self._flush("\n")
