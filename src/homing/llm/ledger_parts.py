"""A ledger beyond this machine: what is new in it as small ledgers, merged by key elsewhere.

A part holds the calls, vectors and batches that are in none of the parts before. What has gone
out, or came in, is remembered in a file of its own. Merged in any order and any number of times,
parts give the same ledger.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from homing.llm.ledger import BUSY_S
from homing.llm.ledger_tables import bring_up_to_date

KEYS = {"calls": "key, attempt", "vectors": "key", "batches": "id, state"}
"""Table -> columns that tell its rows apart; a batch goes out again when its state changes."""
ROWS_IN_PART = 20_000
"""Of each table, so that a part fits the memory."""
MERGE = (
    "INSERT OR IGNORE INTO main.calls SELECT * FROM other.calls",
    "INSERT OR IGNORE INTO main.vectors SELECT * FROM other.vectors",
    "INSERT INTO main.batches SELECT * FROM other.batches WHERE true ON CONFLICT (id) DO UPDATE"
    " SET state = excluded.state WHERE excluded.state = 'done'",
    "INSERT OR IGNORE INTO main.traits SELECT * FROM other.traits",
    # What could not be had then may have been had since.
    "INSERT OR IGNORE INTO main.failures SELECT * FROM other.failures WHERE key NOT IN"
    " (SELECT key FROM main.calls WHERE usable)",
)


def export_new(ledger: Path, sent: Path, part: Path) -> bool:
    """Write rows that were not sent before into a new file, and tell whether there were any.

    They count as sent once `mark_sent` was called with the part; there may be more for another one.

    Args:
        ledger: Its file, which others may be writing to.
        sent: The file that remembers.
    """
    part.unlink(missing_ok=True)
    with closing(_connect(part)) as db:
        bring_up_to_date(db, part)
        n_rows = 0
        with _attached(db, ledger=ledger, sent=sent):
            for table, keys in KEYS.items():
                n_rows += db.execute(
                    f"INSERT INTO main.{table} SELECT * FROM ledger.{table} WHERE ({keys}) NOT IN"  # noqa: S608 (names of ours)
                    f" (SELECT {keys} FROM sent.{table}) LIMIT {ROWS_IN_PART}"
                ).rowcount
    return n_rows > 0


def mark_sent(part: Path, sent: Path) -> None:
    """Remember all rows of a part, or of a whole ledger, as sent or as having come from there."""
    with closing(_connect(sent)) as db:
        _make_sent(db)
        with _attached(db, other=part):
            for table, keys in KEYS.items():
                db.execute(f"INSERT OR IGNORE INTO main.{table} SELECT {keys} FROM other.{table}")  # noqa: S608


def merge_ledger(other: Path, ledger: Path) -> None:
    """Add the rows of a part, or of a whole ledger, to a ledger; what that has stays.

    Args:
        ledger: Made if it is not there.
    """
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with closing(_connect(ledger)) as db:
        bring_up_to_date(db, ledger)
        with _attached(db, other=other):
            db.execute("BEGIN IMMEDIATE")
            for statement in MERGE:
                db.execute(statement)
            db.execute("COMMIT")


def copy_ledger(ledger: Path, target: Path) -> None:
    """Write a copy of a ledger as it is at one moment, whoever writes to it."""
    target.unlink(missing_ok=True)
    with closing(_connect(ledger)) as db, closing(_connect(target)) as copy:
        db.backup(copy)


def _make_sent(db: sqlite3.Connection) -> None:
    for table, keys in KEYS.items():
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {table} ({keys}, PRIMARY KEY ({keys})) WITHOUT ROWID"
        )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)


@contextmanager
def _attached(db: sqlite3.Connection, **files: Path) -> Iterator[None]:
    """Let a connection reach other files under names of their own while the block runs."""
    for name, path in files.items():
        with closing(_connect(path)) as there:
            if name == "sent":
                _make_sent(there)
            else:
                bring_up_to_date(there, path)
        db.execute(f"ATTACH DATABASE ? AS {name}", (str(path),))
    yield
    for name in files:
        db.execute(f"DETACH DATABASE {name}")
