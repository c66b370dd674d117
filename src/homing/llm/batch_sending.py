"""Sends batches so that none is paid for twice, whenever the process dies.

A batch is in the ledger twice: before it is sent, under a mark, and once the provider has accepted
it, under its id. A mark without an id is what a death between the two leaves; the provider is then
asked for the batch that bears it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import IO

from homing.llm.batch_api import BatchAPI, Mark, MaybeAccepted
from homing.llm.ledger import Ledger
from homing.llm.provider import ProviderError, TransientFailure
from homing.progress import say
from homing.types import content_id

UNSENT = "unsent"
LONGEST_PAUSE_S = 60.0


class Sender:
    """Sends the batches of one run, and knows those of earlier ones."""

    def __init__(self, api: BatchAPI, ledger: Ledger, purpose: str, *, pause_s: float) -> None:
        """Wait `pause_s` after a failure, then twice as long, …"""
        self._api = api
        self._ledger = ledger
        self._purpose = purpose
        self._pause_s = pause_s

    def earlier(self, wanted: Collection[str]) -> dict[str, list[str]]:
        """Return batch id -> keys of batches that were sent before and bring what is wanted."""
        batches = {}
        for batch_id, keys in self._open().items():
            if not any(key in wanted for key in keys):
                continue
            if not batch_id.startswith(f"{UNSENT}-"):
                batches[batch_id] = keys
            elif (found := self._find(batch_id, keys)) is not None:
                say(f"Found the batch {found} that an earlier run had sent.")
                self._accepted(batch_id, found, keys)
                batches[found] = keys
            else:
                self._ledger.close_batch(batch_id)
        return batches

    def send(self, lines: IO[bytes], keys: Sequence[str], max_tries: int) -> str:
        """Return the id of a new batch, which is in the ledger.

        Raises:
            ProviderError: It will not be accepted, or the provider cannot be reached.
        """
        now = time.time()
        # Unique, so that an earlier batch of the same requests is not taken for this one.
        mark = f"{UNSENT}-{now:.0f}-{content_id('batch', repr(now), *keys)}"
        self._record(mark, keys)
        for n in range(max_tries):
            lines.seek(0)
            try:
                batch_id: str | None = self._api.send(lines, _label(mark))
            except TransientFailure as failure:
                last = failure
                pause_s = max(failure.retry_after_s or 0.0, self._pause_s * 2**n)
                time.sleep(min(pause_s, LONGEST_PAUSE_S))
                is_unsure = isinstance(failure, MaybeAccepted)
                batch_id = self._find(mark, keys) if is_unsure else None
            except ProviderError:
                self._ledger.close_batch(mark)
                raise
            if batch_id is not None:
                self._accepted(mark, batch_id, keys)
                return batch_id
        raise ProviderError(
            f"A batch could not be sent to {self._api.name} in {max_tries} tries; the last one so: "
            f"{last} Run the same command again when it answers: what was answered is kept."
        )

    def _find(self, mark: str, keys: Sequence[str]) -> str | None:
        """Return the id of the batch that was sent under a mark, None if there is none."""
        moment = float(mark.split("-")[1])
        known = self._open()
        try:
            found = self._api.find(Mark(moment, _label(mark), frozenset(keys)))
            return next((batch_id for batch_id in found if batch_id not in known), None)
        except TransientFailure as failure:
            raise ProviderError(
                f"{self._api.name} does not say which batches it has ({failure}), and one may have "
                "been accepted already. Run the same command again: nothing is paid for twice."
            ) from failure

    def _accepted(self, mark: str, batch_id: str, keys: Sequence[str]) -> None:
        self._record(batch_id, keys)
        self._ledger.close_batch(mark)

    def _open(self) -> dict[str, list[str]]:
        return self._ledger.open_batches(self._api.name, self._purpose)

    def _record(self, batch_id: str, keys: Sequence[str]) -> None:
        self._ledger.record_batch(
            batch_id, list(keys), provider=self._api.name, purpose=self._purpose
        )


def _label(mark: str) -> str:
    return mark.rpartition("-")[2]
