"""The tables of a ledger, and how a file of an earlier version gets those that it lacks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from homing.errors import UsageError

VERSION = 2
"""1: calls, failures, batches, traits. 2: vectors."""
TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    provider TEXT NOT NULL,
    purpose TEXT NOT NULL,
    item_id TEXT NOT NULL,
    usable INTEGER NOT NULL,
    text TEXT NOT NULL,
    finish TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    price_usd REAL,
    seconds REAL NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    PRIMARY KEY (key, attempt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    key TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    purpose TEXT NOT NULL,
    item_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    tries INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    purpose TEXT NOT NULL,
    state TEXT NOT NULL,
    keys TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS traits (
    server TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (server, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY,
    call TEXT NOT NULL,
    vector BLOB NOT NULL
);
"""
INSERT_CALL = (
    "INSERT INTO calls (key, attempt, provider, purpose, item_id, usable, text, finish,"
    " input_tokens, output_tokens, price_usd, seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


INSERT_FAILURE = (
    "INSERT OR REPLACE INTO failures (key, provider, purpose, item_id, reason, detail, tries)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)


def bring_up_to_date(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables that a file lacks; rows stay as they are.

    All tables are made or none, and one job makes them where several begin at once.

    Raises:
        UsageError: The file was written by a later version.
    """
    if _version(db) == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db)
        if version > VERSION:
            raise UsageError(f"{path} was written by a later version of Homing. Update Homing.")
        for statement in TABLES.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)
