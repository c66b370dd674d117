"""One job at a time in a folder, by a lock that the kernel gives back however the job ends."""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path

from homing.errors import WorkspaceBusyError


class FolderLock:
    """Holds `folder/.lock` until `release`; the process's id is written inside for others."""

    def __init__(self, folder: Path, name: str = "") -> None:
        """Take the lock.

        Args:
            name: What the folder is called in messages, if not by its path.

        Raises:
            WorkspaceBusyError: Another process, or another part of this one, holds it.
        """
        self.descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self.descriptor, 32, 0).decode(errors="replace").strip()
            os.close(self.descriptor)
            raise WorkspaceBusyError(
                f"Another job (process {holder or 'unknown'}) is working in {name or folder}. "
                "Wait for it to end, or choose another folder."
            ) from None
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()}\n".encode(), 0)
        _held.add(self)

    def release(self) -> None:
        """Give the lock back; the file stays, since removing it would race with the next job."""
        if self.descriptor >= 0:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
            self.forget()

    def forget(self) -> None:
        """Close the descriptor; the lock stays with whoever has another one to the same opening."""
        os.close(self.descriptor)
        self.descriptor = -1


_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """Close the descriptors in a forked child, which else would hold the lock after our end."""
    for lock in list(_held):
        if lock.descriptor >= 0:
            lock.forget()


os.register_at_fork(after_in_child=_let_go_in_child)
