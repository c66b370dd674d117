"""One job at a time in a remote workspace, by a claim that is renewed for as long as the job lives.

Stores have no locks, and not all of them can create a file only where there is none. But what was
written is listed at once by all of them, and that is enough: whoever wants the workspace writes a
claim under a name of its own into `.lock/` and then lists that folder. Of two that come at the same
time the later one to write sees the other's claim, and takes its own back.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from homing.errors import HomingError, StorageError, WorkspaceBusyError
from homing.progress import mute_thread
from homing.storage import FoundFile, exists, join, list_files, read_bytes, remove, write_bytes

FOLDER = ".lock"
RENEW_S = 60.0
STALE_S = 300.0
"""A claim that was not renewed for so long is that of a job that died."""
TRIES = 3
PAUSE_S = 1.0
"""Between tries, up to this long: two that met draw back, and come again at different times."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who works in a workspace: machine, process, since when, and when that was last renewed."""

    host: str
    pid: int
    since: str
    renewed: float


class Lease:
    """Holds a remote workspace until `release`; a thread renews the claim."""

    def __init__(self, place: str, owner: str) -> None:
        """Take it; a claim of the same owner is of a job that is no more.

        Args:
            owner: Names the claim; nobody else uses it at the same time.

        Raises:
            WorkspaceBusyError: Another job holds it; the message says which.
            StorageError: The store cannot be reached or refuses.
        """
        self.place, self.owner = place, owner
        self.since = datetime.now(UTC).isoformat(timespec="seconds")
        self.renewed = 0.0
        self.is_lost = False
        self._take()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="homing-lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise `HomingError` if another job has taken over, since this one gave no sign."""
        if self.is_lost or not exists(self._own()):
            self.is_lost = True
            raise HomingError(
                f"Another job has taken over {self.place}, since this one could not renew its "
                f"claim for {STALE_S / 60:.0f} minutes: the machine slept or had no network. Run "
                "the same command again when the other one has ended; it continues."
            )

    def release(self) -> None:
        """Give the workspace back."""
        self._over.set()
        self._thread.join()
        if not self.is_lost:
            with suppress(StorageError):  # it lapses by itself
                remove(self._own())

    def _take(self) -> None:
        for n_tries in range(1, TRIES + 1):
            self._write()
            fresh, stale = self._others()
            if not fresh:
                for name in stale:
                    remove(join(self.place, FOLDER, name))
                return
            remove(self._own())
            if n_tries < TRIES:
                time.sleep(random.uniform(0.1, PAUSE_S))
        raise WorkspaceBusyError(
            f"Another job{self._who(fresh[0])} is working in {self.place}. Wait for it to end, or "
            f"choose another folder. If it has died, its claim lapses {STALE_S / 60:.0f} minutes "
            "after its last sign of life."
        )

    def _who(self, name: str) -> str:
        """Return whose claim it is, for a message; "" where it has just been taken back."""
        try:
            who = self._read(name)
        except (StorageError, FileNotFoundError):
            return ""
        return f" (process {who.pid} on {who.host}, since {who.since})"

    def _keep(self) -> None:
        mute_thread()
        while not self._over.wait(RENEW_S):
            with suppress(StorageError):  # the next time, perhaps
                self._renew()

    def _renew(self) -> None:
        was_late = time.time() - self.renewed > STALE_S
        if not exists(self._own()):
            self.is_lost = True
            return
        self._write()
        if was_late and self._others()[0]:
            self.is_lost = True
            remove(self._own())

    def _own(self) -> str:
        return join(self.place, FOLDER, self.owner)

    def _write(self) -> None:
        now = time.time()
        claim = Claim(socket.gethostname(), os.getpid(), self.since, now)
        write_bytes(self._own(), json.dumps(asdict(claim)).encode())
        self.renewed = now

    def _others(self) -> tuple[list[str], list[str]]:
        """Return the names of the claims of other jobs: of those that live, and of dead ones."""
        found = {file.name: file for file in list_files(join(self.place, FOLDER))}
        own = found.pop(self.owner, None)
        fresh: list[str] = []
        stale: list[str] = []
        for name, file in found.items():
            with suppress(FileNotFoundError):  # it has just been taken back
                (stale if self._age(file, own) > STALE_S else fresh).append(name)
        return fresh, stale

    def _age(self, file: FoundFile, own: FoundFile | None) -> float:
        """Return how long ago a claim was renewed, in seconds, by the store's clock if it tells."""
        if own is not None and own.modified is not None and file.modified is not None:
            return own.modified - file.modified
        return time.time() - self._read(file.name).renewed

    def _read(self, name: str) -> Claim:
        try:
            return Claim(**json.loads(read_bytes(join(self.place, FOLDER, name))))
        except (ValueError, TypeError):
            return Claim("an unknown machine", 0, "an unknown time", time.time())
