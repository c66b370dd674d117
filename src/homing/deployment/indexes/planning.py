"""What an index holds against what it should hold, on disk, so that memory does not grow with it.

A private database of SQLite, which goes away by itself. Cost: two small rows a passage.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from homing.errors import UsageError

IDS_AT_A_TIME = 500
TABLES = """
CREATE TABLE wanted (id TEXT PRIMARY KEY, digest TEXT) WITHOUT ROWID;
CREATE TABLE stored (id TEXT PRIMARY KEY, digest TEXT, n INTEGER) WITHOUT ROWID;
"""
FOUND = """
INSERT INTO stored VALUES (?, ?, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1
"""


class Plan:
    """The ids that are wanted, those that are stored, and what is to do about the difference."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.executescript(TABLES)

    def close(self) -> None:
        """Throw it away."""
        self._db.close()

    def want(self, entries: Sequence[tuple[str, str]]) -> None:
        """Note passages of the corpus as (id, digest).

        Raises:
            UsageError: An id stands for two passages.
        """
        before = self._db.total_changes
        self._db.executemany("INSERT OR IGNORE INTO wanted VALUES (?, ?)", entries)
        if self._db.total_changes - before == len(entries):
            return
        for passage_id, digest in entries:
            (kept,) = self._one("SELECT digest FROM wanted WHERE id = ?", passage_id)
            if kept != digest:
                raise UsageError(
                    f"The passage id {passage_id!r} occurs twice with different content. Ids must "
                    "be unique: rename or remove one of them. Nothing was written."
                )

    def found(self, entries: Iterable[list[tuple[str, str]]]) -> None:
        """Note what is stored, as `Store.entries` yields it, in place of what was noted before."""
        self._db.execute("DELETE FROM stored")
        for batch in entries:
            self._db.executemany(FOUND, batch)

    def forget_doubled(self) -> list[str]:
        """Return the ids that are stored more than once; from now on they count as not stored."""
        doubled = [row[0] for row in self._db.execute("SELECT id FROM stored WHERE n > 1")]
        self._db.execute("DELETE FROM stored WHERE n > 1")
        return doubled

    def written(self, entries: Iterable[tuple[str, str]]) -> None:
        """Note passages that are stored now."""
        self._db.executemany("INSERT OR REPLACE INTO stored VALUES (?, ?, 1)", entries)

    def stored_among(self, ids: Sequence[str]) -> dict[str, str]:
        """Return id -> digest of those that are stored."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), IDS_AT_A_TIME):
            part = ids[start : start + IDS_AT_A_TIME]
            marks = ", ".join("?" * len(part))
            query = f"SELECT id, digest FROM stored WHERE id IN ({marks})"  # noqa: S608
            found.update(self._db.execute(query, part))
        return found

    @property
    def n_wanted(self) -> int:
        """How many passages the corpus has."""
        return self._count("wanted")

    @property
    def n_doubled(self) -> int:
        """How many ids are stored more than once."""
        return self._count("stored WHERE n > 1")

    @property
    def n_unwanted(self) -> int:
        """How many passages are stored that the corpus does not have."""
        return self._count("stored WHERE id NOT IN (SELECT id FROM wanted)")

    @property
    def n_to_write(self) -> int:
        """How many passages are missing, or stored otherwise."""
        return self._count("wanted w LEFT JOIN stored s USING (id) WHERE s.digest IS NOT w.digest")

    def unwanted(self) -> Iterator[list[str]]:
        """Yield, in batches, the ids that are stored and that the corpus does not have."""
        cursor = self._db.execute(
            "SELECT id FROM stored WHERE id NOT IN (SELECT id FROM wanted) ORDER BY id"
        )
        while rows := cursor.fetchmany(IDS_AT_A_TIME):
            yield [row[0] for row in rows]

    def _one(self, query: str, *values: str) -> tuple[str]:
        row: tuple[str] = self._db.execute(query, values).fetchone()
        return row

    def _count(self, what: str) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {what}").fetchone()[0])  # noqa: S608
