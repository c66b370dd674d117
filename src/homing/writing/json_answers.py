"""Questions out of JSON in a reply, wherever it stands and whatever its keys; cut off or broken.

Cost: linear in the reply for JSON; bounded tries for what only looks like it.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

MAX_STARTS = 200
MAX_BROKEN_CHARACTERS = 20_000
MAX_PYTHON_TRIES = 2
MAX_DEPTH = 6
TEXT_KEYS = ("question", "query", "q", "text", "frage", "问题", "content", "title")
KIND_KEYS = ("kind", "type", "category")
_START = re.compile(r"[{\[]")
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_PAIR = re.compile(
    r"[\"'](?:question|query|q|text)[\"']\s{0,9}:\s{0,99}([\"'])"
    r"((?:\\.|(?!\1\s{0,99}[,}\]\n])[^\\]){1,600})\1\s{0,99}[,}\]\n]",
    re.S,
)
_LOOKS_LIKE_JSON = re.compile(r"(?:^|[:：`])\s{0,99}(?:\[\s{0,99}[\"'{]|\{\s{0,99}[\"'])", re.M)
_DECODER = json.JSONDecoder()
Raw = tuple[str, str]
"""Kind and text as they stand in the reply, before cleaning."""


def questions_of_json(text: str) -> Iterator[Raw]:
    """Yield the questions of every JSON value that stands where one may begin.

    A value that is cut off gives those of its parts that are whole; a Python literal passes, too.
    """
    position, n_starts = 0, 0
    while n_starts < MAX_STARTS and (match := _START.search(text, position)):
        n_starts += 1
        before = text[max(0, match.start() - 200) : match.start()].rpartition("\n")[2].rstrip()
        decoded = None
        # 'What does f(["x"]) return?' holds JSON, but is none.
        if not before or before[-1] in ":：,[{`":
            decoded = _decoded(text, match.start(), python=n_starts <= MAX_PYTHON_TRIES)
        if decoded is None:
            position = match.start() + 1
        else:
            value, position = decoded
            yield from _of_value(value, 0)


def questions_of_broken_json(text: str) -> Iterator[Raw]:
    """Yield the texts behind the usual keys where quotes or brackets are wrong."""
    if not _LOOKS_LIKE_JSON.search(text):
        return
    for match in _PAIR.finditer(text[:MAX_BROKEN_CHARACTERS]):
        yield "", re.sub(r"\\([\"'\\/])", r"\1", match[2]).replace("\\n", " ")


def _decoded(text: str, start: int, *, python: bool) -> tuple[Any, int] | None:
    """Return the value that begins at `start` and where it ends, or None where there is none."""
    try:
        return _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        pass
    # Commas are blanked, not removed, so that the end stays that of the text.
    blanked = _TRAILING_COMMA.sub(" ", text[start : start + MAX_BROKEN_CHARACTERS])
    try:
        value, end = _DECODER.raw_decode(blanked)
    except (ValueError, RecursionError):
        return _python_literal(blanked, start) if python else None
    return value, start + end


def _python_literal(text: str, start: int) -> tuple[Any, int] | None:
    """Return the Python list or dict that `text` begins with, as small models write it."""
    end = text.rfind("]" if text[0] == "[" else "}") + 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\\d" in a question is no matter
            return ast.literal_eval(text[:end]), start + end
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _of_value(value: Any, depth: int) -> Iterator[Raw]:
    """Yield the questions of a decoded value, in its order."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield "", item
            else:
                yield from _of_value(item, depth + 1)
    elif isinstance(value, dict):
        named = {str(key).strip().lower(): item for key, item in value.items()}
        text = next((named[k] for k in TEXT_KEYS if isinstance(named.get(k), str)), None)
        if text is not None:
            kind = next((named[k] for k in KIND_KEYS if isinstance(named.get(k), str)), "")
            yield kind, text
            return
        for key, item in named.items():
            if isinstance(item, str) and re.fullmatch(r"(?:q|question|query|frage)?[ _-]?\d+", key):
                yield "", item
            elif isinstance(item, (dict, list)):
                yield from _of_value(item, depth + 1)
