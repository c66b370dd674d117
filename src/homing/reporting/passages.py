"""The passages that the explorer shows: each once, column by column."""

from __future__ import annotations

from typing import Any

import numpy as np

from homing.reporting.data import ReportData
from homing.reporting.outcomes import NO_TEXT, shorten
from homing.reporting.places import has_pages, root_of, safe_link

MAX_TITLE_LENGTH = 90


class PassageTable:
    """Passages by number, in the order in which they are asked for, and what is shown of them.

    Attributes:
        texts: By number, in full.
    """

    def __init__(self, data: ReportData) -> None:
        self._data = data
        self._number: dict[str, int] = {}
        self._titles: dict[str, int] = {}
        self._documents: dict[str, int] = {}
        self._groups: dict[str, int] = {}
        self.texts: list[str] = []
        self._rows: list[tuple[int, int, int, int]] = []

    def step_to(self, passage_id: str) -> int:
        """Return how far a passage's number lies behind the last one, or -1 for a new passage.

        A new passage is taken in, and gets the next number.
        """
        number = self._number.get(passage_id)
        if number is not None:
            return len(self._number) - 1 - number
        self._number[passage_id] = len(self._number)
        self._take_in(passage_id)
        return -1

    def _take_in(self, passage_id: str) -> None:
        passage = self._data.passages.get(passage_id)
        self.texts.append(passage.text if passage else NO_TEXT)
        title = shorten(passage.title if passage else passage_id, MAX_TITLE_LENGTH)
        document = passage.document_id if passage else ""
        group = self._data.groups.get(passage_id)
        self._rows.append(
            (
                self._titles.setdefault(title, len(self._titles)),
                self._documents.setdefault(document, len(self._documents)),
                (passage.page if passage else None) or 0,
                0 if group is None else self._groups.setdefault(group, len(self._groups) + 1),
            )
        )

    def columns(self) -> dict[str, Any]:
        """Return what is shown of the passages, column by column, and their documents.

        A document is linked where its path below `root` is the one that is shown.
        """
        paths = [self._data.document_paths.get(d, "") for d in self._documents]
        files = [self._data.document_files.get(d, "") for d in self._documents]
        root = root_of(files, paths)
        columns = np.array(self._rows, dtype=np.int64).reshape(-1, 4).T.tolist()
        return {
            "texts": self.texts,
            **dict(zip(("title", "document", "page", "group"), columns, strict=True)),
            "titles": list(self._titles),
            "paths": paths,
            "root": root,
            "linked": [
                int(bool(root) and file == root + path and bool(safe_link(file)))
                for file, path in zip(files, paths, strict=True)
            ],
            "paged": [int(has_pages(path)) for path in paths],
        }
