"""The ledger of a remote workspace: what is paid for there survives the machine that paid.

The job writes to a ledger of this machine. While it runs, a thread sends what is new every few
seconds, as small files in `ledger-parts/`; when it ends well, the whole ledger goes up and the
parts are removed. Whoever opens the workspace next merges what it finds there into its own.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from homing.errors import HomingError, StorageError
from homing.progress import say
from homing.storage import (
    Place,
    fetch_file,
    find_file,
    is_remote,
    join,
    list_files,
    read_bytes,
    remove,
    send_file,
    write_bytes,
)

LEDGER = "ledger.sqlite"
PARTS = "ledger-parts"
SCRATCH = "cache/ledger"
"""Where this machine remembers what it sent and merged."""
SEND_S = 5.0
MAX_SHARE = 0.1
"""Most of the time that looking for new rows may take, in a ledger of a million."""


@contextmanager
def ledger_kept(place: Place, folder: Path) -> Iterator[None]:
    """Bring the ledger of a remote workspace, and send what is new in it while the block runs.

    Args:
        place: The workspace's; nothing is done for one of this machine.
        folder: Its copy.

    Raises:
        StorageError: The store cannot be reached or refuses.
    """
    if not is_remote(place):
        yield
        return
    kept = RemoteLedger(place, folder / LEDGER, folder / SCRATCH)
    kept.fetch()
    over = threading.Event()
    thread = threading.Thread(target=kept.keep_sending, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        over.set()
        thread.join()
        with suppress(HomingError):  # the job's own trouble is what is to be told
            kept.send()
        raise
    over.set()
    thread.join()
    kept.send()
    kept.send_whole()


class RemoteLedger:
    """The ledger of a job and its copy at a place.

    Attributes:
        place: The workspace's.
        ledger: The file of this machine.
        scratch: A folder for what is remembered.
    """

    def __init__(self, place: Place, ledger: Path, scratch: Path) -> None:
        self.place, self.ledger, self.scratch = place, ledger, scratch
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._sent = scratch / "sent.sqlite"
        self._part = scratch / "part.sqlite"
        self._known_file = scratch / "known.json"
        self._known: dict[str, object] = {}
        with suppress(FileNotFoundError, ValueError):
            self._known = json.loads(self._known_file.read_text(encoding="utf-8"))
        self._looked_at: object = None

    def fetch(self) -> None:
        """Merge what is at the place and was not merged before."""
        found = find_file(join(self.place, LEDGER))
        if found is not None and self._known.get(LEDGER) != [found.size, found.modified]:
            fetch_file(join(self.place, LEDGER), self._part)
            self._take_in()
            self._note(LEDGER, [found.size, found.modified])
        for file in list_files(join(self.place, PARTS)):
            if file.name not in self._known:
                packed = read_bytes(join(self.place, PARTS, file.name))
                self._part.write_bytes(gzip.decompress(packed))
                self._take_in()
                self._note(file.name, True)

    def send(self) -> None:
        """Send what is new, if anything is."""
        from homing.llm.ledger_parts import export_new, mark_sent

        state = self._state()
        if state is None or state == self._looked_at:
            return
        while export_new(self.ledger, self._sent, self._part):
            name = f"{time.time():.0f}-{uuid.uuid4().hex[:8]}.sqlite.gz"
            packed = gzip.compress(self._part.read_bytes(), compresslevel=3)
            write_bytes(join(self.place, PARTS, name), packed)
            self._note(name, True)
            mark_sent(self._part, self._sent)
        self._looked_at = state

    def send_whole(self) -> None:
        """Put the whole ledger in the place of its parts, if there are any."""
        from homing.llm.ledger_parts import copy_ledger

        self.fetch()  # nothing is written over that is not in it
        parts = [file.name for file in list_files(join(self.place, PARTS))]
        if not parts or not self.ledger.is_file():
            return
        copy_ledger(self.ledger, self._part)
        send_file(self._part, join(self.place, LEDGER))
        found = find_file(join(self.place, LEDGER))
        assert found is not None
        self._known.clear()
        self._note(LEDGER, [found.size, found.modified])
        for name in parts:
            remove(join(self.place, PARTS, name))
        self._part.unlink()

    def keep_sending(self, over: threading.Event) -> None:
        """Send what is new every few seconds until `over` is set."""
        mute = False
        pause = SEND_S
        while not over.wait(pause):
            started = time.monotonic()
            try:
                self.send()
                mute = False
            except StorageError as error:
                if not mute:
                    say(f"Paid calls are kept in {self.ledger} and will be sent later: {error}")
                mute = True
            pause = max(SEND_S, (time.monotonic() - started) / MAX_SHARE)

    def _take_in(self) -> None:
        from homing.llm.ledger_parts import mark_sent, merge_ledger

        merge_ledger(self._part, self.ledger)
        mark_sent(self._part, self._sent)
        self._part.unlink()

    def _note(self, name: str, value: object) -> None:
        self._known[name] = value
        temporary = self._known_file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._known), encoding="utf-8")
        temporary.replace(self._known_file)

    def _state(self) -> object:
        """Return what changes whenever something is written to the ledger, None without one."""
        state = []
        for name in (self.ledger.name, f"{self.ledger.name}-wal"):
            with suppress(FileNotFoundError):
                found = self.ledger.with_name(name).stat()
                state.append((found.st_size, found.st_mtime_ns))
        return state or None
