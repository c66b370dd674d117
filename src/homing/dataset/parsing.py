"""Small steps that reading any foreign dataset needs, with errors that name file and item."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from homing.dataset.tables import well_formed
from homing.errors import UsageError

Item = TypeVar("Item")


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with or without a byte order mark.

    Raises:
        UsageError: If it is missing, unreadable or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error


def text_of(value: Any, where: str) -> str:
    """Return a string value, lone surrogates replaced.

    Raises:
        UsageError: If the value is not a string; `where` names file and item.
    """
    if not isinstance(value, str):
        raise UsageError(f"{where} should be text, but is {type(value).__name__}: {value!r:.80}")
    return well_formed(value)


def grade_of(value: Any, where: str) -> int:
    """Return a relevance grade as an integer; "1" and 1.0 are 1.

    Raises:
        UsageError: If it is no whole number; `where` names file and line.
    """
    try:
        number = float(value)
        if number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"{where}: the relevance score {value!r} is not a whole number.")


def add_unique(items: dict[str, Item], item_id: str, item: Item, what: str) -> None:
    """Put an item under its id; the same item again is fine.

    Raises:
        UsageError: If the id already stands for something else.
    """
    if items.setdefault(item_id, item) != item:
        raise UsageError(
            f"{what} {item_id!r} occurs twice with different content. "
            "Ids must be unique: rename or remove one of them."
        )
