"""Markdown: headings, front matter, lists and fenced code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from homing.ingestion.characters import clean_text
from homing.ingestion.raw import Block, RawDocument
from homing.ingestion.readers.text import decode

FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
FRONT_TITLE = re.compile(r"^title[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
SETEXT = re.compile(r" {0,3}(={2,}|-{3,})[ \t]*$")
RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
TABLE_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+")

IMAGE = re.compile(r"!\[([^\]]*)\]\([^)\n]*\)")
LINK = re.compile(r"\[([^\]\n]+)\](?:\([^)\n]*\)|\[[^\]\n]*\])")
AUTOLINK = re.compile(r"<(https?://[^>\s]+)>")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
STRONG = re.compile(r"(?<![\w*])(\*\*\*|\*\*|\*)(?=\S)([^*\n]+?)(?<=\S)\1(?![\w*])")
UNDERLINED = re.compile(r"(?<!\w)(___|__|_)(?=[^\s_])([^_\n]*[ A-Z][^_\n]*?)(?<=[^\s_])\1(?!\w)")
CODE_SPAN = re.compile(r"(`+)(.+?)\1")
TAG = re.compile(
    r"</?(?:a|abbr|b|br|center|code|dd|details|div|dl|dt|em|font|h[1-6]|hr|i|img|kbd|li|ol|p|pre|small"
    r"|span|strong|sub|summary|sup|table|tbody|td|th|thead|tr|tt|u|ul)\b[^<>]*>",
    re.IGNORECASE,
)
DEFINITION = re.compile(r" {0,3}\[[^\]]+\]:[ \t]+\S+")
SPACES = re.compile(r"(?<=\S)[ \t]{2,}")
ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>~])")


def read_markdown(path: Path) -> RawDocument:
    """Return the blocks of a Markdown file; code stays as written, other markup is taken off."""
    text = clean_text(decode(path))
    title = ""
    front = FRONT_MATTER.match(text)
    if front:
        text = text[front.end() :]
        named = FRONT_TITLE.search(front[1])
        title = named[1].strip("\"' ") if named else ""
    return RawDocument(title, (tuple(_Parser().blocks(COMMENT.sub("", text))),))


def plain(text: str) -> str:
    """Return `text` without links' addresses, emphasis and escapes; code spans keep their words."""
    pieces = CODE_SPAN.split(text)  # text, backticks, code, text, backticks, code, text ...
    for i in range(0, len(pieces), 3):
        pieces[i] = _without_markup(pieces[i])
    del pieces[1::3]
    return "".join(pieces)


def _without_markup(text: str) -> str:
    text = AUTOLINK.sub(r"\1", LINK.sub(r"\1", IMAGE.sub(r"\1", TAG.sub("", text))))
    return ESCAPE.sub(r"\1", UNDERLINED.sub(r"\2", STRONG.sub(r"\2", text)))


class _Parser:
    """Goes through the lines once, collecting those of the present block."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fence = ""

    def blocks(self, text: str) -> Iterator[Block]:
        """Yield the blocks of a whole text."""
        for line in text.split("\n"):
            if self.fence:
                yield from self._inside_fence(line)
            else:
                yield from self._outside_fence(line.rstrip())
        yield from self._code() if self.fence else self._paragraph()

    def _inside_fence(self, line: str) -> Iterator[Block]:
        mark = FENCE.match(line)
        closes = mark and mark[1].startswith(self.fence) and line.strip() == mark[1]
        if closes:
            yield from self._code()
            self.fence = ""
        else:
            self.lines.append(line.rstrip())

    def _outside_fence(self, line: str) -> Iterator[Block]:
        fence, atx = FENCE.match(line), ATX.match(line)
        setext = SETEXT.match(line)
        if fence and "`" not in line[fence.end() :]:
            yield from self._paragraph()
            self.fence = fence[1]
        elif atx:
            yield from self._paragraph()
            yield from _heading(atx[2], len(atx[1]))
        elif setext and len(self.lines) == 1 and not _keeps_its_form(self.lines[0]):
            title = self.lines.pop()
            yield from _heading(title, 1 if "=" in setext[1] else 2)
        elif RULE.match(line) or not line:
            yield from self._paragraph()
        elif not DEFINITION.match(line):
            self.lines.append(line)

    def _code(self) -> Iterator[Block]:
        """Yield the collected lines as they are."""
        code = "\n".join(self.lines).strip("\n")
        self.lines = []
        if code.strip():
            yield Block(code.rstrip())

    def _paragraph(self) -> Iterator[Block]:
        """Yield the collected lines without their markup."""
        lines = [_plain_line(line) for line in self.lines]
        self.lines = []
        text = "\n".join(line for line in lines if line.strip())
        if text:
            yield Block(text)


def _heading(markup: str, level: int) -> Iterator[Block]:
    title = " ".join(plain(markup).split())
    if title:
        yield Block(title, level)


def _keeps_its_form(line: str) -> bool:
    """Return whether a line is indented code or a table's row or a list's item."""
    return line.startswith(("    ", "\t", "|")) or LIST_ITEM.match(line) is not None


def _plain_line(line: str) -> str:
    if line.startswith(("    ", "\t")):
        return line  # code, or something that its author lined up
    line = line.lstrip().removeprefix("> ")
    if line.startswith("|"):
        if TABLE_RULE.fullmatch(line):
            return ""
        line = " | ".join(cell.strip() for cell in line.strip("| ").split("|"))
    return SPACES.sub(" ", plain(line)).strip()
