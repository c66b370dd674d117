"""A folder that one job at a time may change."""

from __future__ import annotations

from pathlib import Path

from homing.errors import UsageError
from homing.workspace import disk_error
from homing.workspace.lock import FolderLock


class FolderHold:
    """Holds a folder until `release`; does nothing for readers, and for what is no folder."""

    def __init__(self, folder: Path | None, *, write: bool) -> None:
        """Make the folder and take its lock.

        Raises:
            WorkspaceBusyError: Another job is changing it.
            UsageError: The folder cannot be made.
            HomingError: The disk is full or read-only.
        """
        self._lock: FolderLock | None = None
        if folder is not None and write:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._lock = FolderLock(folder)
            except OSError as error:
                said = f"The folder {folder} cannot be made: {error.strerror}. Choose another one."
                raise disk_error(error, folder) or UsageError(said) from error

    def release(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
