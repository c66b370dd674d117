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


LAYOUT = "table, p + p, h1, h2, h3, h4, ul, ol"
"""What stands in a row that only lays out the page."""

BREAK = "\v"
BULLET = "•"
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
    """Goes through the tree once, collecting the text of the present block.

    The way back up is kept in a list, not in the call stack: pages may be nested thousands deep.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.glue = "\n\n"
        self.ahead: list[Any] = []

    def blocks(self, root: Any) -> Iterator[Block]:
        """Yield the blocks below a node."""
        self._descend(root, "\n\n")
        while self.ahead:
            node = self.ahead.pop()
            if isinstance(node, str):
                yield from self._flush(node)
            else:
                yield from self._node(node)

    def _descend(self, node: Any, glue: str = "") -> None:
        """Put the children of a node next; `glue` ends the block that they are."""
        if glue:
            self.ahead.append(glue)
        self.ahead.extend(reversed(list(node.iter(include_text=True))))

    def _flush(self, glue: str = "\n\n") -> Iterator[Block]:
        """Yield what was collected; `glue` goes before the next block, the wider one if several."""
        lines = [squash(line) for line in "".join(self.words).split(BREAK)]
        text = "\n".join(line for line in lines if line)
        self.words = []
        if text and text != BULLET:
            yield Block(text, 0, self.glue)
            self.glue = glue
        elif len(glue) > len(self.glue):
            self.glue = glue

    def _node(self, node: Any) -> Iterator[Block]:
        tag = node.tag
        if tag == "-text":
            self.words.append(node.text_content or "")
        elif tag == "br":
            self.words.append(BREAK)
        elif tag in HEADINGS or tag == "pre":
            yield from self._flush()
            text = node.text(deep=True, separator="")
            text = clean_text(text).strip("\n").rstrip() if tag == "pre" else squash(text)
            if text:
                yield Block(text, HEADINGS.get(tag, 0))
                self.glue = "\n\n"
        elif tag == "tr" and node.css_first(LAYOUT) is None:
            yield from self._flush("\n")
            cells = [squash(cell.text(separator=" ")) for cell in node.css("td, th")]
            self.words.append(" | ".join(cell for cell in cells if cell))
            yield from self._flush("\n")
        elif tag == "li":
            yield from self._flush("\n")
            self.words.append(f"{BULLET} ")
            self._descend(node, "\n")
        elif tag in BLOCKS:
            yield from self._flush()
            self._descend(node, "\n\n")
        elif not tag.startswith(("-", "_", "!")):
            self._descend(node)
