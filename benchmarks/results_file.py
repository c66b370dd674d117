"""Results of a benchmark with many rows: each is kept at once, and none is made twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from machine import describe_machine

RESULTS = Path(__file__).resolve().parent / "results"


class ResultsFile:
    """results/NAME.json and its table NAME.md; what was made before is read back.

    Attributes:
        content: command, machine, and "rows" by name.
        work: A folder for models and vectors, which is not committed.
    """

    def __init__(self, name: str, command: str, table: Callable[[Mapping[str, Any]], str]) -> None:
        self.work = RESULTS / f"{name}.work"
        self.work.mkdir(parents=True, exist_ok=True)
        self._path, self._table = RESULTS / f"{name}.json", table
        self.content: dict[str, Any] = {
            "command": command,
            "machine": describe_machine(),
            "rows": {},
        }
        if self._path.exists():
            self.content = json.loads(self._path.read_text(encoding="utf-8"))

    @property
    def rows(self) -> dict[str, Any]:
        """The rows by name."""
        rows: dict[str, Any] = self.content["rows"]
        return rows

    @property
    def table(self) -> str:
        """The rows for people."""
        return self._table(self.content)

    def save(self) -> None:
        """Write both files, each in one step."""
        texts = {".json": json.dumps(self.content) + "\n", ".md": self.table}
        for suffix, text in texts.items():
            temporary = self._path.with_suffix(f"{suffix}.partial")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._path.with_suffix(suffix))


def folder_name(name: str) -> str:
    """Return a row's name as that of a folder."""
    return name.replace(", ", "_").replace(" ", "-")
