"""Every call that was paid for, kept the moment its answer arrives: nothing is paid for twice.

One SQLite file in WAL mode; several jobs may share it. A row is an answer to one try at one
request, under the hash of all that was asked (`ChatRequest.key`); vectors have a table of their
own, each under the hash of its text. What could not be had is listed in `failures` until it is
had. No key, no header and no URL is ever written. Cost: one commit a call, without fsync (a killed
process loses nothing; a power cut may lose the last calls).
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from homing.errors import HomingError, UsageError
from homing.llm.ledger_tables import INSERT_CALL, INSERT_FAILURE, bring_up_to_date
from homing.llm.provider import ChatAnswer, EmbeddingAnswer
from homing.types import FloatArray

BUSY_S = 60.0
"""How long a job waits while another one writes."""
KEYS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded answer.

    Attributes:
        attempt: 0 for the first answer to this request, 1 for the next …
        usable: Whether it could be understood; what could not is asked again.
        price_usd: None where the price of the model is not known.
    """

    key: str
    attempt: int
    usable: bool
    answer: ChatAnswer
    price_usd: float | None


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A request that could not be had, until it is asked again.

    Attributes:
        reason: "rate_limit", "server", "timeout", "connection", "malformed", "refused".
        tries: How often it was tried.
    """

    key: str
    item_id: str
    reason: str
    detail: str
    tries: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What some calls came to; `price_usd` leaves out calls whose price is not known."""

    n_calls: int
    input_tokens: int
    output_tokens: int
    price_usd: float
    n_unpriced: int


class Ledger:
    """The calls of one or several jobs; use it as `with Ledger(path) as ledger`."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            UsageError: The file is no ledger, or one of a later version.
            HomingError: The file cannot be written.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            bring_up_to_date(self._db, path)
        except sqlite3.DatabaseError as error:
            raise _explained(error, path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was recorded is there already."""
        self._db.close()

    def record(
        self,
        key: str,
        answer: ChatAnswer,
        *,
        provider: str,
        purpose: str,
        item_id: str,
        usable: bool,
        price_usd: float | None,
    ) -> Call:
        """Keep an answer now and for good, and return it as kept; a failure of its key is over.

        Args:
            purpose: "write", "judge", "relevance" or "embed".
            item_id: Passage or query id that it was about, for people.
        """
        with self.transaction() as db:
            (attempt,) = db.execute("SELECT count(*) FROM calls WHERE key = ?", (key,)).fetchone()
            db.execute(
                INSERT_CALL,
                (key, attempt, provider, purpose, item_id, int(usable), answer.text, answer.finish,
                 answer.input_tokens, answer.output_tokens, price_usd, answer.seconds),
            )  # fmt: skip
            if usable:
                db.execute("DELETE FROM failures WHERE key = ?", (key,))
        return Call(key, attempt, usable, answer, price_usd)

    def record_vectors(
        self,
        keys: Sequence[bytes],
        answer: EmbeddingAnswer,
        *,
        provider: str,
        price_usd: float | None,
    ) -> None:
        """Keep the vectors of one call now and for good, and what they cost, under "embed".

        Args:
            keys: One for each vector; what is there already under a key stays.
        """
        call = hashlib.sha256(b"".join(keys)).hexdigest()[:16]
        rows = np.ascontiguousarray(answer.vectors, dtype="<f4")
        with self.transaction() as db:
            (attempt,) = db.execute("SELECT count(*) FROM calls WHERE key = ?", (call,)).fetchone()
            item = f"{len(keys)} texts"
            db.execute(
                INSERT_CALL,
                (call, attempt, provider, "embed", item, 1, "", "stop", answer.input_tokens, 0,
                 price_usd, answer.seconds),
            )  # fmt: skip
            db.executemany(
                "INSERT OR IGNORE INTO vectors (key, call, vector) VALUES (?, ?, ?)",
                [(key, call, row.tobytes()) for key, row in zip(keys, rows, strict=True)],
            )

    def find_vectors(self, keys: Iterable[bytes]) -> dict[bytes, FloatArray]:
        """Return key -> vector, float32 (d,), of those that are kept."""
        wanted = list(dict.fromkeys(keys))
        found: dict[bytes, FloatArray] = {}
        for start in range(0, len(wanted), KEYS_AT_ONCE):
            part = wanted[start : start + KEYS_AT_ONCE]
            marks = ", ".join("?" * len(part))
            rows = self._db.execute(
                f"SELECT key, vector FROM vectors WHERE key IN ({marks})",  # noqa: S608 (marks)
                part,
            )
            found.update((key, np.frombuffer(raw, dtype="<f4")) for key, raw in rows)
        return found

    def find(self, key: str) -> Call | None:
        """Return the first usable answer to a request, else the last that was not, or None."""
        row = self._db.execute(
            "SELECT attempt, usable, text, finish, input_tokens, output_tokens, seconds, price_usd"
            " FROM calls WHERE key = ? ORDER BY usable DESC,"
            " CASE WHEN usable THEN attempt ELSE -attempt END LIMIT 1",
            (key,),
        ).fetchone()
        if row is None:
            return None
        attempt, usable, text, finish, n_in, n_out, seconds, price = row
        answer = ChatAnswer(text, finish, n_in, n_out, seconds)
        return Call(key, attempt, bool(usable), answer, price)

    def n_unusable(self, key: str) -> int:
        """Return how many answers to a request could not be understood."""
        row = self._db.execute("SELECT count(*) FROM calls WHERE key = ? AND NOT usable", (key,))
        (n,) = row.fetchone()
        return int(n)

    def record_failure(self, failed: FailedCall, *, provider: str, purpose: str) -> None:
        """List a request that could not be had; the same one again replaces what was listed."""
        self._db.execute(
            INSERT_FAILURE,
            (failed.key, provider, purpose, failed.item_id, failed.reason, failed.detail[:2000],
             failed.tries),
        )  # fmt: skip

    def failure(self, key: str) -> FailedCall | None:
        """Return why a request could not be had, None if it was not tried or was had."""
        row = self._db.execute(
            "SELECT key, item_id, reason, detail, tries FROM failures WHERE key = ?", (key,)
        ).fetchone()
        return FailedCall(*row) if row else None

    def forget_failure(self, key: str) -> None:
        """Take a request off the list, so that it is asked again."""
        self._db.execute("DELETE FROM failures WHERE key = ?", (key,))

    def spent(self, *, purpose: str | None = None, provider: str | None = None) -> Spent:
        """Return what the calls in the file came to, of all jobs that share it."""
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),"
            " coalesce(sum(price_usd), 0), coalesce(sum(price_usd IS NULL), 0) FROM calls"
            " WHERE (?1 IS NULL OR purpose = ?1) AND (?2 IS NULL OR provider = ?2)",
            (purpose, provider),
        ).fetchone()
        return Spent(*row)

    def trait(self, server: str, name: str) -> str | None:
        """Return what was found out about a server before, such as how it takes a schema."""
        row = self._db.execute(
            "SELECT value FROM traits WHERE server = ? AND name = ?", (server, name)
        ).fetchone()
        return str(row[0]) if row else None

    def remember_trait(self, server: str, name: str, value: str) -> None:
        """Keep what was found out about a server; `server` is a hash, never a URL."""
        self._db.execute("INSERT OR REPLACE INTO traits VALUES (?, ?, ?)", (server, name, value))

    def open_batches(self, provider: str, purpose: str) -> dict[str, list[str]]:
        """Return batch id -> keys of the batches that were sent and whose answers are not here."""
        rows = self._db.execute(
            "SELECT id, keys FROM batches WHERE provider = ? AND purpose = ? AND state = 'sent'"
            " ORDER BY id",
            (provider, purpose),
        )
        return {batch_id: keys.split() for batch_id, keys in rows}

    def record_batch(self, batch_id: str, keys: list[str], *, provider: str, purpose: str) -> None:
        """Keep the id of a batch that was sent, so that a later run fetches what it paid for."""
        self._db.execute(
            "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, 'sent', ?)",
            (batch_id, provider, purpose, " ".join(keys)),
        )

    def close_batch(self, batch_id: str) -> None:
        """Note that all answers of a batch are here, or that it will bring none."""
        self._db.execute("UPDATE batches SET state = 'done' WHERE id = ?", (batch_id,))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the database for changes that are all made or none.

        Raises:
            HomingError: They cannot be made.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise _explained(error, self.path) from error


def _explained(error: sqlite3.DatabaseError, path: Path) -> HomingError:
    """Return the error that says what to do about what SQLite found."""
    text = str(error)
    if "not a database" in text or "malformed" in text:
        return UsageError(f"{path} is no ledger, or is damaged ({text}). Move it out of the way.")
    if "full" in text:
        return HomingError(f"The disk is full: {path} cannot keep what is paid for. Free space.")
    remedy = "Check that the folder can be written and that no other program holds the file."
    return HomingError(f"{path} cannot be used: {text}. {remedy}")


def price_of_call(answer: ChatAnswer, per_million: tuple[float, float] | None) -> float | None:
    """Return the dollars of an answer at (input, output) dollars a million tokens."""
    if per_million is None:
        return None
    return (
        answer.input_tokens * per_million[0] + answer.output_tokens * per_million[1]
    ) / 1_000_000
