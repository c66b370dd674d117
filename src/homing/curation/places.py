"""The documents and sections that people name: by path, file name, title or heading."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from homing.types import Document, Passage

Key = tuple[str, ...]


class DocumentIndex:
    """Documents by what people call them."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._ids: dict[str, list[str]] = {}
        self._titles: dict[str, list[str]] = {}
        self.paths: list[str] = []
        for document in documents:
            self.paths.append(document.path)
            for name in dict.fromkeys(_names(document.path)):
                self._ids.setdefault(name, []).append(document.id)
            self._titles.setdefault(_plain(document.title), []).append(document.id)

    def find(self, name: str) -> list[str]:
        """Return the ids of the documents that a path, its end, or a title names; often one.

        The longest part of the name that fits decides, so a path on another machine works too.
        """
        parts = _plain(name.replace("\\", "/")).strip("/").split("/")
        for i in range(len(parts)):
            found = self._ids.get("/".join(parts[i:]))
            if found:
                return found
        return self._titles.get(_plain(name), [])

    def nearest(self, name: str) -> str:
        """Return the known path that is spelled most like a name; "" where there is none."""
        from rapidfuzz import fuzz, process

        best = process.extractOne(name, self.paths, scorer=fuzz.WRatio, score_cutoff=60)
        return str(best[0]) if best else ""


def _names(path: str) -> list[str]:
    """Return every end of a path, with the file's extension and without."""
    parts = PurePosixPath(_plain(path)).parts
    ends = ["/".join(parts[i:]) for i in range(len(parts))]
    stem = PurePosixPath(parts[-1]).stem if parts else ""
    return ends + ["/".join([*parts[i:-1], stem]) for i in range(len(parts))]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


class SectionIndex:
    """Passages by the heading path of their section, or by its last parts."""

    def __init__(self, documents: Iterable[Document], passages: Sequence[Passage]) -> None:
        self._exact: dict[Key, list[Passage]] = {}
        self._plain: dict[Key, list[Passage]] = {}
        for passage in passages:
            self._add(passage.heading_path, passage)
        known = {(p.document_id, p.heading_path[-1]) for p in passages if p.heading_path}
        by_document: dict[str, list[Passage]] = {}
        for passage in sorted(passages, key=lambda p: p.start):
            by_document.setdefault(passage.document_id, []).append(passage)
        for document in documents:
            self._add_joined(document, by_document.get(document.id, []), known)

    def find(self, heading: str, document_ids: Sequence[str] | None) -> list[Passage]:
        """Return the passages of the sections that a heading path names, in their order.

        The path is taken as written, else without regard to case; its last parts are enough.

        Args:
            heading: "Parental leave" or "Leave > Parental leave".
            document_ids: Look in these documents alone; None: in all.
        """
        keys = [tuple(part.strip() for part in heading.split(">")), (heading.strip(),)]
        for index, found_by in ((self._exact, _spaced), (self._plain, _folded)):
            for key in keys:
                found = index.get(found_by(key), [])
                if document_ids is not None:
                    found = [p for p in found if p.document_id in document_ids]
                if found:
                    return list({p.id: p for p in found}.values())
        return []

    def _add(self, path: Sequence[str], passage: Passage) -> None:
        for i in range(len(path)):
            self._exact.setdefault(_spaced(path[i:]), []).append(passage)
            self._plain.setdefault(_folded(path[i:]), []).append(passage)

    def _add_joined(
        self, document: Document, passages: Sequence[Passage], known: Collection[tuple[str, str]]
    ) -> None:
        """Add the headings that no passage has in its path: those of small sections put together,
        whose own lines stand in the text."""
        starts = [p.start for p in passages]
        path: dict[int, str] = {}
        for heading in document.headings:
            path = {level: title for level, title in path.items() if level < heading.level}
            path[heading.level] = heading.title
            if (document.id, heading.title) not in known:
                first = max(bisect_left(starts, heading.end) - 1, 0)
                holder = next((p for p in passages[first:] if p.end > heading.start), None)
                if holder is not None and holder.start <= heading.start:
                    self._add([document.title, *(path[level] for level in sorted(path))], holder)


def _spaced(path: Sequence[str]) -> Key:
    return tuple(" ".join(unicodedata.normalize("NFC", part).split()) for part in path)


def _folded(path: Sequence[str]) -> Key:
    return tuple(_plain(part) for part in path)
