"""A remote workspace's copy on this machine, in which the job works; the remote one is the truth.

When it is opened, what has changed there comes down; when a stage is done, what it made goes up,
manifests last. `cache/` stays on either side what it is there, and the ledger of paid calls goes
its own way.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from homing.errors import StorageError, UsageError, WorkspaceBusyError
from homing.progress import track
from homing.storage import (
    FoundFile,
    fetch_file,
    find_file,
    join,
    list_files,
    name_of,
    read_bytes,
    remove,
    send_file,
    shown,
    write_bytes,
)
from homing.storage.places import check_no_password
from homing.storage.s3 import endpoint_url
from homing.workspace.lease import FOLDER as LEASES
from homing.workspace.lease import Lease
from homing.workspace.lock import FolderLock
from homing.workspace.mirror_index import Known, MirrorIndex, Stamp

CACHE_VARIABLE = "HOMING_CACHE"
MANIFESTS = "manifests/"
MARKER = "manifests/workspace.json"
LAST_JOB = "cache/last-job"
"""Names the copy whose job worked there last."""
NOT_COPIED = ("cache/", f"{LEASES}/", "ledger-parts/", "ledger.sqlite")
BEFORE_MARKER = ("cache/", f"{LEASES}/", MANIFESTS)
"""What a job that was killed while it made its workspace may leave."""
N_AT_ONCE = 8


def cache_folder() -> Path:
    """Return where copies of remote workspaces lie: HOMING_CACHE, else the user's cache folder."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "homing"


class Mirror:
    """The copy of one remote workspace.

    Attributes:
        place: The URI, without "/" at its end.
        folder: The copy, a folder called as the last part of the URI.
    """

    def __init__(self, place: str) -> None:
        """Name the place; nothing is asked or touched before `open`.

        Raises:
            UsageError: It holds a password.
        """
        check_no_password(place)
        self.place = place.rstrip("/")
        key = sha256(f"{endpoint_url()} {self.place}".encode()).hexdigest()[:16]
        self.home = cache_folder() / "workspaces" / key
        self.folder = self.home / (name_of(self.place) or "workspace")
        self._lock: FolderLock | None = None
        self._lease: Lease | None = None
        self._seen: set[str] = set()
        self.index: MirrorIndex

    def open(self, *, create: bool = False) -> None:
        """Take the workspace, and bring the copy in line with it.

        Results of an earlier job of this machine that could not be sent any more are sent now.

        Raises:
            UsageError: There is no workspace and none may be made, or there is something else.
            WorkspaceBusyError: Another job works in it.
            StorageError: The store cannot be reached or refuses.
        """
        there = self._prepare(create=create)
        try:
            self._lease = Lease(self.place, self.index.owner)
            self._fetch(there)
            write_bytes(join(self.place, LAST_JOB), self.index.owner.encode())
            self.publish()
        except BaseException:
            self.close()
            raise

    def open_to_read(self) -> None:
        """Bring the copy in line without taking the workspace; a running job is not disturbed.

        Raises:
            UsageError: There is no workspace.
            StorageError: The store cannot be reached or refuses.
        """
        try:
            there = self._prepare(create=False)
        except WorkspaceBusyError:
            if not (self.folder / MARKER).is_file():
                raise
            return  # a job of this machine is at work in the copy, which is as new as can be
        try:
            self._fetch(there)
        except BaseException:
            self.close()
            raise

    def publish(self) -> None:
        """Send what is new or changed in the copy, manifests last; remove what was removed.

        Raises:
            HomingError: Another job has taken over in the meantime.
            StorageError: The store cannot be reached or refuses.
        """
        here = self._here()
        changed = [name for name, stamp in here.items() if not self.index.is_here(name, stamp)]
        gone = [name for name in self._seen if name not in here and name in self.index.files]
        if not changed and not gone:
            return
        if self._lease is not None:
            self._lease.check()
        manifests = [name for name in changed if name.startswith(MANIFESTS)]
        others = [name for name in changed if not name.startswith(MANIFESTS)]
        self._each(f"Sending to {shown(self.place)}", others, self._send_one)
        self._each("Removing what is no more", gone, self._remove_one)
        self._each("Sending manifests", manifests, self._send_one)
        self._seen = set(here)
        self.index.save()

    def close(self) -> None:
        """Give the workspace back."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _prepare(self, *, create: bool) -> dict[str, FoundFile]:
        """Take the copy, and return name -> file of what is at the place."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.home, shown(self.place))
        try:
            self.index = MirrorIndex.load(self.home / "mirror.json", host=socket.gethostname())
            there = {file.name: file for file in list_files(self.place)}
            if MARKER not in there:
                self._refuse(there, create=create)
                shutil.rmtree(self.folder, ignore_errors=True)
                self.index.files.clear()
            self.folder.mkdir(exist_ok=True)
        except BaseException:
            self.close()
            raise
        return there

    def _refuse(self, there: Iterable[str], *, create: bool) -> None:
        place = shown(self.place)
        if not create:
            raise UsageError(
                f"{place} is not a workspace. Make one with: homing run SOURCES --out {place}"
            )
        if any(not name.startswith(BEFORE_MARKER) for name in there):
            raise UsageError(
                f"{place} is not empty and is not a workspace, so nothing was written. Choose a "
                "new folder."
            )

    def _fetch(self, there: Mapping[str, FoundFile]) -> None:
        """Bring the copy in line with what is at the place."""
        is_ours = self._was_last()
        here = self._here()
        wanted, gone = [], []
        for name in sorted({*here, *filter(_is_copied, there)}):
            is_known = name in here and self.index.is_here(name, here[name])
            if is_ours and name in here and not is_known:
                continue  # made here, and not sent before the job ended
            if name not in there:
                gone.append(name)
            elif not (is_known and self.index.is_there(name, there[name])):
                wanted.append(name)

        def fetch_one(name: str) -> None:
            path = self.folder / name
            fetch_file(join(self.place, name), path)
            self.index.note(name, Known(_stamp(path), there[name].size, there[name].modified))

        for name in gone:
            (self.folder / name).unlink(missing_ok=True)
            self.index.forget(name)
        self._each(f"Fetching from {shown(self.place)}", wanted, fetch_one)
        self._seen = set(self._here())
        self.index.save()

    def _was_last(self) -> bool:
        """Tell whether no other copy's job has worked there since this one's."""
        with suppress(FileNotFoundError):
            return read_bytes(join(self.place, LAST_JOB)).decode() == self.index.owner
        return False

    def _send_one(self, name: str) -> None:
        path, place = self.folder / name, join(self.place, name)
        stamp = _stamp(path)
        send_file(path, place)
        there = find_file(place)
        if there is None or there.size != stamp[0]:
            raise StorageError(
                f"{shown(place)} did not arrive as it was sent. Run the same command again."
            )
        self.index.note(name, Known(stamp, there.size, there.modified))

    def _remove_one(self, name: str) -> None:
        remove(join(self.place, name))
        self.index.forget(name)

    def _each(self, title: str, names: list[str], work: Callable[[str], None]) -> None:
        """Do something with every file, several at the same time."""
        if not names:
            return
        try:
            with track(title, len(names)) as task, ThreadPoolExecutor(N_AT_ONCE) as threads:
                for _ in threads.map(work, names):
                    task.advance()
        finally:
            self.index.save()

    def _here(self) -> dict[str, Stamp]:
        """Return name -> size and time of the files of the copy."""
        found = {}
        for parent, folders, files in os.walk(self.folder):
            base = Path(parent).relative_to(self.folder).as_posix()
            prefix = "" if base == "." else f"{base}/"
            folders[:] = [name for name in folders if _is_copied(f"{prefix}{name}/")]
            for name in files:
                if _is_copied(f"{prefix}{name}"):
                    found[f"{prefix}{name}"] = _stamp(Path(parent, name))
        return found


@contextmanager
def copied(place: str, *, write: bool) -> Iterator[Path]:
    """Give the copy of a remote workspace, in line with it.

    Args:
        write: Whether the workspace is taken while the block runs and gets what that has made;
            else a job that runs elsewhere is not disturbed.

    Raises:
        UsageError: There is no workspace.
        WorkspaceBusyError: It is to be taken, and another job works in it.
        StorageError: The store cannot be reached or refuses.
    """
    mirror = Mirror(place)
    if write:
        mirror.open()
    else:
        mirror.open_to_read()
    try:
        yield mirror.folder
        if write:
            mirror.publish()
    finally:
        mirror.close()


def _is_copied(name: str) -> bool:
    if name.startswith(NOT_COPIED) or name == LEASES:
        return False
    return not any(part.startswith(".") and part.endswith(".tmp") for part in name.split("/"))


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
