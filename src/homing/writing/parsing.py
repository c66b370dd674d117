"""Questions out of whatever a model answered: JSON in any wrapping, lists in any style, lines.

In order: JSON values anywhere in the reply (a cut-off one gives its complete questions), loose
`"question": "..."` pairs of broken JSON, then the lines: numbered or labelled ones, else lettered,
else bullets, else every line that ends with a question mark. What stands around them (preambles,
answers, remarks) is dropped; it never becomes a question. Cost: linear in the reply's length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from homing.writing.json_answers import questions_of_broken_json, questions_of_json
from homing.writing.phrases import (
    ANSWER,
    ANSWER_INSIDE,
    BULLET,
    ENDS,
    LABELLED,
    LETTERED,
    MARKS,
    NEXT_INSIDE,
    NUMBERED,
    REMARK_AFTER,
    TASK_AFTER,
    asks,
    is_preamble,
    is_talk,
    without_greeting,
)
from homing.writing.planning import KINDS

MAX_CHARACTERS = 50_000
"""A reply that is longer is junk; questions, if any, stand at its beginning."""
MAX_QUESTION_CHARACTERS = 600
_KIND_NAMES = {kind.replace("_", ""): kind for kind in KINDS} | {
    "keyword": "keywords",
    "yesorno": "yes_no",
    "fact": "factual",
}
_KIND_LABEL = re.compile(
    r"^[\[(*_]*([A-Za-z][A-Za-z_/ -]{2,14})[*_]*[\])]?[*_]*(?:[:：][*_]*|(?<=[\])]))\s*"
)
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.S | re.I)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufeff\u200b\ufffe\uffff]+")
_QUOTES = (('"', '"'), ("“", "”"), ("„", "“"), ("„", "”"), ("«", "»"), ("»", "«"), ("「", "」"),
           ("『", "』"), ("'", "'"), ("‘", "’"), ("`", "`"), ("**", "**"), ("__", "__"), ("*", "*"),
           ("_", "_"), ("“", "“"), ("''", "''"))  # fmt: skip


class ParsingError(Exception):
    """A reply holds no question that could be made out."""


@dataclass(frozen=True, slots=True)
class ParsedQuestion:
    """A question of a reply; `kind` is as the model named it where that is a known one, else ""."""

    kind: str
    text: str


def parse_questions(text: str, n: int) -> list[ParsedQuestion]:
    """Return the first questions of a model's reply, at most `n`, at least one.

    Raises:
        ParsingError: There is none.
    """
    text = _UNPRINTABLE.sub(" ", text[:MAX_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n"))
    text = _THOUGHT.sub("\n", text)
    text = re.split(r"</think(?:ing)?>", text, flags=re.I)[-1]
    found = [q for kind, raw in questions_of_json(text) if (q := _cleaned(kind, _unmarked(raw)))]
    if len(found) < n:
        loose = [q for raw in questions_of_broken_json(text) if (q := _cleaned(*raw))]
        found = max(found, loose, key=len)
    if found:
        return found[:n]
    lines = _lines(text)
    if found := [q for raw in _from_lines(lines, n) if (q := _cleaned("", raw))]:
        return found[:n]
    raise ParsingError("The reply holds no question that could be made out.")


Raw = tuple[str, str]
"""Kind and text, before cleaning."""


def _lines(text: str) -> list[str]:
    """Return the lines, one for each question where several stand in one, "" for blank ones."""
    lines = [
        part.strip()
        for line in text.split("\n")
        for part in NEXT_INSIDE.sub("\n", line).split("\n")
        if not re.match(r"\s*(?:```|~~~|-{3,}\s*$|\*{3,}\s*$|={3,}\s*$|#+\s*$)", part)
    ]
    return [re.sub(r"^(?:>\s+|#{1,6}\s+)+", "", _cell(line)) for line in lines]


def _cell(line: str) -> str:
    """Return the question of a table's row, "" where it has none; other lines as they are."""
    if not (line.startswith("|") and line.endswith("|")):
        return line
    return next((cell.strip() for cell in line.split("|") if asks(cell)), "")


def _from_lines(lines: Sequence[str], n: int) -> list[str]:
    """Return the questions of the strongest kind of list that the lines have."""
    for is_marked in (_is_numbered, _is_lettered, _is_bullet):
        if any(map(is_marked, lines)):
            items = _listed(lines, is_marked)
            if items:
                return items
    return _unlisted(lines, n)


def _is_numbered(line: str) -> bool:
    bare = line.lstrip("*_ ")
    return bool(NUMBERED.match(bare) or LABELLED.match(bare))


def _is_lettered(line: str) -> bool:
    return bool(LETTERED.match(line.lstrip("*_ ")))


def _is_bullet(line: str) -> bool:
    return bool(BULLET.match(line))


def _listed(lines: Sequence[str], is_marked: Callable[[str], bool]) -> list[str]:
    """Return the marked lines with what continues them; answers and remarks end a question."""
    items: list[str] = []
    is_open = False
    for line in lines:
        if is_marked(line):
            rest = _unmarked(line)
            is_open = not ANSWER.match(rest)
            if is_open:
                items.append(rest)
            continue
        continues = (
            bool(line)
            and is_open
            and not (items[-1] and items[-1].rstrip("*_\"'”“»」").endswith(tuple(ENDS)))
            and not _is_other_item(line)
            and not is_talk(line)
        )
        if continues:
            items[-1] = f"{items[-1]} {line}".strip()
        elif line or items[-1:] != [""]:  # a label on a line of its own waits for its question
            is_open = False
    return items


def _is_other_item(line: str) -> bool:
    """Tell whether a line is an option, a sub-item or an answer, not more of a question."""
    return bool(ANSWER.match(_unmarked(line)) or LETTERED.match(line) or BULLET.match(line))


def _unlisted(lines: Sequence[str], n: int) -> list[str]:
    """Return the questions of lines without marks: those that end with a question mark."""
    paragraph: list[str] = []
    lines = [without_greeting(line) for line in lines]
    n_asking = sum(map(_is_question, lines))
    found: list[str] = []
    for line in [*lines, ""]:
        if not line or is_talk(line) or ANSWER.match(line):
            paragraph = []
            continue
        # A line that starts a sentence and does not end it is the first half of a question,
        # unless there are as many questions without it.
        begun = paragraph and not paragraph[-1].endswith(tuple(ENDS))
        paragraph = [*paragraph, line] if begun else [line]
        if _is_question(line):
            joined = len(paragraph) > 1 and (line[:1].islower() or n_asking <= n)
            found.append(" ".join(paragraph) if joined else line)
            paragraph = []
    return [part for line in found for part in _sentences(line, n - len(found) + 1)]


def _is_question(line: str) -> bool:
    return asks(line) or bool(TASK_AFTER.search(line))


def _sentences(line: str, n: int) -> list[str]:
    """Return the questions of a line that holds several, if as many as `n` are wanted."""
    parts = [p for p in re.split(rf"(?<=[{MARKS}])\s+(?=\S)", line) if asks(p)]
    return parts if 1 < len(parts) <= n else [line]


def _unmarked(line: str) -> str:
    """Return a line without its number, bullet and labels: "**1.** Question 1: Why?" is "Why?"."""
    for _ in range(4):
        bare = re.sub(r"^[*_]{1,2}(?=\S)", "", line)
        for pattern in (NUMBERED, LABELLED, LETTERED, BULLET):
            if match := pattern.match(bare) or pattern.match(line):
                rest = (bare if pattern.match(bare) else line)[match.end() :]
                line = re.sub(r"^[*_]{2}\s*(?=[^*_]*$)", "", rest).strip()
                break
        else:
            break
    return line


def _cleaned(kind: str, text: str) -> ParsedQuestion | None:
    """Return a question in one line without what surrounds it, or None where it is none."""
    if len(text) > 4 * MAX_QUESTION_CHARACTERS:
        return None
    text = " ".join(_UNPRINTABLE.sub(" ", text).split())
    kind = _known_kind(kind)
    text = ANSWER_INSIDE.sub("", text)
    if (label := _KIND_LABEL.match(text)) and (found := _known_kind(label[1])):
        kind, text = kind or found, text[label.end() :]
    if remark := REMARK_AFTER.search(text):
        kind = kind or _known_kind(remark[0].strip(" *_()（）[]."))
        text = text[: remark.start()]
    text = _unquoted(text)
    n_letters = sum(map(str.isalpha, text))
    if n_letters < 2 or len(text) > MAX_QUESTION_CHARACTERS or is_preamble(text):
        return None
    return ParsedQuestion(kind, text)


def _unquoted(text: str) -> str:
    """Return a text without quotes and emphasis around the whole of it."""
    text = text.strip().rstrip(",").strip()
    for mark in ("**", "__", "*", '"'):  # the other one went with the number: "**1. Why?**"
        if text.count(mark) == 1:
            text = text.removeprefix(mark).removesuffix(mark).strip()
    for _ in range(4):
        for opening, closing in _QUOTES:
            inside = text[len(opening) : -len(closing)]
            if (
                text.startswith(opening)
                and text.endswith(closing)
                and inside.strip()
                and opening not in inside
                and closing not in inside
            ):
                text = inside.strip()
                break
        else:
            return text
    return text


def _known_kind(name: str) -> str:
    """Return the kind that a model means: "How-to" is "how_to"; "" for what is none."""
    return _KIND_NAMES.get(re.sub(r"[^a-z]", "", name.lower()), "")
