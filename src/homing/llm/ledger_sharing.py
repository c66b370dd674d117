"""Ledgers that go together: what one of them holds, taken over by another, by key.

A job's main ledger is the one of its driver. Each worker has one of its own, in memory, that begins
with what the main one knows of the worker's requests; what it adds is written to the worker's
journal and told to the driver in the same moment. An answer that arrives by both ways, or twice by
one, is the same row and is kept once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from homing.llm.journal import Journal
from homing.llm.ledger import KEYS_AT_ONCE, Call, FailedCall, Ledger
from homing.llm.ledger_tables import INSERT_CALL, INSERT_FAILURE
from homing.llm.provider import ChatAnswer

IN_MEMORY = Path(":memory:")


class CallRow(NamedTuple):
    """One answer as it is passed on; the fields are those of the table `calls`."""

    key: str
    provider: str
    purpose: str
    item_id: str
    usable: int
    text: str
    finish: str
    input_tokens: int
    output_tokens: int
    price_usd: float | None
    seconds: float


class FailureRow(NamedTuple):
    """One request that could not be had; the fields are those of the table `failures`."""

    key: str
    provider: str
    purpose: str
    item_id: str
    reason: str
    detail: str
    tries: int


CALL_COLUMNS, FAILURE_COLUMNS = (", ".join(row._fields) for row in (CallRow, FailureRow))


class SharedLedger(Ledger):
    """A ledger whose rows are given to others and taken from them."""

    def calls(self, keys: Sequence[str]) -> list[CallRow]:
        """Return the answers to some requests, of each in the order in which they came."""
        return [CallRow(*row) for row in self._rows(CALL_COLUMNS, "calls", keys, ", attempt")]

    def failures(self, keys: Sequence[str]) -> list[FailureRow]:
        """Return why some requests could not be had."""
        return [FailureRow(*row) for row in self._rows(FAILURE_COLUMNS, "failures", keys)]

    def _rows(self, columns: str, table: str, keys: Sequence[str], more: str = "") -> list[Any]:
        rows: list[Any] = []
        for start in range(0, len(keys), KEYS_AT_ONCE):
            part = keys[start : start + KEYS_AT_ONCE]
            marks = ", ".join("?" * len(part))
            rows += self._db.execute(
                f"SELECT {columns} FROM {table} WHERE key IN ({marks}) ORDER BY key{more}",  # noqa: S608 (our own names)
                part,
            )
        return rows

    def take(self, calls: Iterable[CallRow], failures: Iterable[FailureRow] = ()) -> list[CallRow]:
        """Keep what another ledger holds, all or nothing, and return the answers that are new.

        An answer that is here already stays as it is; another one to the same request is kept
        behind it.
        """
        new = []
        with self.transaction() as db:
            for call in calls:
                rows = db.execute(
                    "SELECT usable, text, finish, input_tokens, output_tokens, seconds FROM calls"
                    " WHERE key = ?",
                    (call.key,),
                ).fetchall()
                same = (call.usable, call.text, call.finish, call.input_tokens,
                        call.output_tokens, call.seconds)  # fmt: skip
                if same in rows:
                    continue
                key, *rest = call
                db.execute(INSERT_CALL, (key, len(rows), *rest))
                if call.usable:
                    db.execute("DELETE FROM failures WHERE key = ?", (call.key,))
                new.append(call)
            db.executemany(INSERT_FAILURE, list(failures))
        return new

    def traits(self) -> list[tuple[str, str, str]]:
        """Return all that is known of servers: server, name, value."""
        return list(self._db.execute("SELECT server, name, value FROM traits ORDER BY 1, 2"))


class WorkerLedger(SharedLedger):
    """A worker's ledger; lasts as long as its part of the work.

    Args:
        journal: Where each answer is written the moment it is there.
        traits: What is known of servers.

    Attributes:
        tell: Told of whatever is recorded: its name and its fields.
    """

    def __init__(self, journal: Journal, traits: Iterable[tuple[str, str, str]] = ()) -> None:
        super().__init__(IN_MEMORY)
        self.tell: Callable[..., None] = lambda *said: None
        self._journal = journal
        for trait in traits:
            super().remember_trait(*trait)

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
        """See `Ledger.record`."""
        a = answer
        row = CallRow(key, provider, purpose, item_id, int(usable), a.text, a.finish,
                      a.input_tokens, a.output_tokens, price_usd, a.seconds)  # fmt: skip
        self._journal.add(row)
        self.tell("call", row)
        return super().record(
            key,
            answer,
            provider=provider,
            purpose=purpose,
            item_id=item_id,
            usable=usable,
            price_usd=price_usd,
        )

    def record_failure(self, failed: FailedCall, *, provider: str, purpose: str) -> None:
        """See `Ledger.record_failure`."""
        super().record_failure(failed, provider=provider, purpose=purpose)
        f = failed
        row = FailureRow(f.key, provider, purpose, f.item_id, f.reason, f.detail[:2000], f.tries)
        self.tell("failure", row)

    def remember_trait(self, server: str, name: str, value: str) -> None:
        """See `Ledger.remember_trait`."""
        super().remember_trait(server, name, value)
        self.tell("trait", server, name, value)
