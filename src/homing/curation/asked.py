"""Questions that people have asked already, from a JSONL or CSV file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from io import StringIO
from pathlib import Path
from typing import Any

from homing.errors import UsageError

EXPECTED = (
    "Expected for each question: question, document (a path or file name), and one of quote "
    "(text that the answering passage contains), heading (a heading path such as A > B) or "
    "passage_id."
)


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question with what its asker knows about the answer; "" for what was not given.

    Attributes:
        document: Path, file name or title of the document that answers it.
        quote: Text that the answering passage contains.
        heading: Heading of the answering section, or the last parts of its path, "A > B".
        line: Where it stands in its file, from 1; 0 when it came from elsewhere.
    """

    question: str
    document: str = ""
    quote: str = ""
    heading: str = ""
    passage_id: str = ""
    line: int = 0


COLUMNS = tuple(f.name for f in fields(AskedQuestion) if f.name != "line")


def read_questions(path: Path | str) -> list[AskedQuestion]:
    """Return the questions of a JSONL or CSV file, in its order.

    CSV may be separated by commas, semicolons or tabs; names of columns may be capitalised;
    further columns are ignored.

    Raises:
        UsageError: If the file is missing, empty or not UTF-8, a line is no JSON object, a value
            is no text, or the question or all that could answer it is missing (with the line).
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"The questions {path} do not exist.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    is_json = path.suffix.lower() in (".jsonl", ".json", ".ndjson") or text.startswith(("{", "["))
    rows = _json_rows(text, path) if is_json else _csv_rows(text, path)
    questions = [_question(row, line, path) for line, row in rows]
    if not questions:
        raise UsageError(f"{path} holds no questions. {EXPECTED}")
    return questions


def _json_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    # Not splitlines(): JSON may hold U+2028 and its like unescaped inside a string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{path}, line {number} is not JSON ({error}). Write one JSON object a line."
            ) from error
        if not isinstance(row, dict):
            raise UsageError(f"{path}, line {number} is not a JSON object. {EXPECTED}")
        yield number, row


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    header = text.lstrip().split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(StringIO(text), delimiter=separator, strict=True)
    try:
        names = [name.strip().casefold() for name in next(reader, [])]
        if "question" not in names or not set(names) & set(COLUMNS[1:]):
            raise UsageError(f"{path} has the columns {', '.join(names) or '(none)'}. {EXPECTED}")
        start = reader.line_num + 1
        for values in reader:
            if any(value.strip() for value in values):
                yield start, dict(zip(names, values, strict=False))
            start = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num} is not CSV ({error}).") from error


def _question(row: Mapping[str, Any], line: int, path: Path) -> AskedQuestion:
    values = {}
    named = {str(name).strip().casefold(): value for name, value in row.items()}
    if "question" not in named or not set(named) & set(COLUMNS[1:]):
        raise UsageError(f"{path}, line {line} has only: {', '.join(named)}. {EXPECTED}")
    for name in COLUMNS:
        value = named.get(name)
        if name == "heading" and isinstance(value, list) and all(isinstance(v, str) for v in value):
            value = " > ".join(value)
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{path}, line {line}: {name!r} should be text, not {value!r:.60}.")
        values[name] = (value or "").strip()
    return AskedQuestion(**values, line=line)
