"""The workspace: a folder with a marker, a lock, and one manifest for each finished stage.

A workspace may lie in a bucket: the job then works in a copy on this machine (`Mirror`). Of several
processes that train together the first one holds it; the others read, and write nothing.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from homing.errors import HomingError, UsageError
from homing.progress import say
from homing.ranks import is_main, n_ranks
from homing.storage import Place, exists, is_remote, join, shown
from homing.workspace.disk import disk_errors, hash_file, put_folder, whole_folder
from homing.workspace.lock import FolderLock
from homing.workspace.manifest import Manifest, library_versions, machine_facts, why_again
from homing.workspace.mirror import MARKER, Mirror

MARKER_TEXT = '{"format": 1}\n'
OURS_BEFORE_MARKER = {".lock", "manifests"}
"""What a job that was killed while it made its workspace may leave."""


class Workspace:
    """A folder in which one job at a time works; use it as `with Workspace(folder) as workspace`.

    Attributes:
        folder: Absolute path. What is hidden and ends in ".tmp" in it is unfinished work.
        place: The same, or the URI of a remote workspace, whose copy `folder` is.
        name: The place as messages show it.
    """

    def __init__(self, folder: Place, *, create: bool = True) -> None:
        """Name the folder; nothing is touched before the `with` block.

        Args:
            folder: A workspace, or with `create` a folder that is empty or does not exist; a path
                or a URI.
            create: Whether a new workspace may be made.

        Raises:
            UsageError: A URI holds a password.
        """
        self._mirror = Mirror(str(folder)) if is_remote(folder) else None
        if self._mirror is None:
            self.folder = Path(folder).expanduser().resolve()
            self.place = str(self.folder)
        else:
            self.folder, self.place = self._mirror.folder, self._mirror.place
        self.name = shown(self.place)
        self.create = create
        self._lock: FolderLock | None = None

    @staticmethod
    def is_at(folder: Place) -> bool:
        """Return whether `folder`, a path or a URI, is a workspace."""
        if is_remote(folder):
            return exists(join(folder, MARKER))
        return (Path(folder).expanduser() / MARKER).is_file()

    def __enter__(self) -> Workspace:
        """Make or open the workspace, take its lock and sweep what a killed job left.

        Raises:
            UsageError: The folder is a file, or holds something else than a workspace.
            WorkspaceBusyError: Another job works in it.
            StorageError: It is remote, and the store cannot be reached or refuses.
            HomingError: The disk is full or read-only.
        """
        if self._mirror is not None:
            self._open(self._mirror)
        else:
            self._check()
        if not is_main():
            return self
        try:
            with disk_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = FolderLock(self.folder)
                self._sweep()
                if not (self.folder / MARKER).is_file():
                    self.write_text(MARKER, MARKER_TEXT)
                    self.publish()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back; a remote workspace first gets what was made last.

        After a failure, too, whose reasons may lie in it; not after Ctrl-C, which shall be quick:
        the next job of this machine sends it.
        """
        try:
            if kind is None:
                self.publish()
            elif issubclass(kind, HomingError):
                with suppress(HomingError):
                    self.publish()
        finally:
            self._release()

    def publish(self) -> None:
        """Send what is new or changed to the place of a remote workspace; nothing for a local one.

        Raises:
            StorageError: The store cannot be reached or refuses.
        """
        if self._mirror is not None and is_main():
            with disk_errors(self.folder):
                self._mirror.publish()

    def path(self, *parts: str) -> Path:
        """Return a path inside the workspace."""
        return self.folder.joinpath(*parts)

    def write_text(self, relative: str, text: str) -> Path:
        """Return the path of a file that now holds `text`, whole: it never exists in part."""
        path = self.path(relative)
        if not is_main():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        return path

    @contextmanager
    def replace_folder(self, relative: str) -> Iterator[Path]:
        """Give an empty folder to fill; it becomes `relative` when the block ends well."""
        with whole_folder(self.path(relative)) as fresh:
            yield fresh

    def put_in_place(self, fresh: Path, relative: str) -> Path:
        """Return the path of a folder that was moved from elsewhere in the workspace, whole.

        Killed between the two renames, the folder is missing, and its stage runs again.
        """
        path = self.path(relative)
        put_folder(fresh, path)
        return path

    def hashes(self, *relative: str) -> dict[str, str]:
        """Return path -> SHA-256 of every file at or under the given paths."""
        return {name: hash_file(self.path(name)) for name in self._files(relative)}

    def manifest(self, stage: str) -> Manifest | None:
        """Return the record of a stage's last finished run, None if there was none."""
        return Manifest.read(self.path("manifests", f"{stage}.json"))

    def stage(
        self,
        name: str,
        work: Callable[[], Mapping[str, Any]],
        *,
        inputs: Mapping[str, str],
        settings: Mapping[str, Any],
        code: str,
        outputs: Sequence[str],
        but_not: Sequence[str] = (),
        again: str = "",
    ) -> tuple[Manifest, bool]:
        """Return the stage's manifest, and whether it had to run.

        It does not when inputs, settings and code are those of its last run, and its outputs too.

        Args:
            work: Makes the outputs and returns the summary.
            inputs: Name -> SHA-256 of what the stage reads.
            outputs: Files and folders, relative to the workspace.
            but_not: Files under `outputs` that another stage writes.
            again: Why it runs even if nothing changed; "" for no reason.

        Raises:
            HomingError: The disk is full or read-only, or what `work` raises.
        """
        old = self.manifest(name)
        settings = _plain(settings)
        if old and not (why := again or why_again(old, self.folder, inputs, settings, code)):
            return old, False
        if old:
            say(f"{name}: again, {why}")
        started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        with disk_errors(self.folder):
            summary = work()
            manifest = Manifest(
                stage=name,
                inputs=dict(inputs),
                settings=settings,
                code=code,
                outputs=self._sizes_and_hashes(outputs, but_not) if is_main() else {},
                summary=_plain(summary),
                started=started,
                seconds=round(time.perf_counter() - clock, 3),
                versions=library_versions(),
                machine=machine_facts(),
            )
            self.write_text(f"manifests/{name}.json", manifest.dumps())
        self.publish()
        return manifest, True

    def _sizes_and_hashes(
        self, outputs: Sequence[str], but_not: Sequence[str]
    ) -> dict[str, list[Any]]:
        made = {name: self.path(name) for name in self._files(outputs) if name not in but_not}
        return {name: [path.stat().st_size, hash_file(path)] for name, path in made.items()}

    def _open(self, mirror: Mirror) -> None:
        if n_ranks() > 1:
            raise UsageError(
                f"{self.name} cannot be shared by several processes of a launcher, which need a "
                "folder of their machine: copy the workspace to one, or train with --engine ray."
            )
        with disk_errors(mirror.home):
            mirror.open(create=self.create)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._mirror is not None:
            self._mirror.close()

    def _check(self) -> None:
        if self.is_at(self.folder):
            return
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is a file. Choose a folder for the workspace.")
        if not self.create:
            raise UsageError(
                f"{self.folder} is not a workspace. "
                f"Make one with: homing run SOURCES --out {self.folder}"
            )
        with disk_errors(self.folder):
            present = {p.name for p in self.folder.iterdir()} if self.folder.exists() else set()
        if present - OURS_BEFORE_MARKER:
            raise UsageError(
                f"{self.folder} exists, is not empty and is not a workspace, so nothing was "
                "written. Choose a new folder."
            )

    def _sweep(self) -> None:
        for parent, folders, files in os.walk(self.folder):
            for name in [*folders, *files]:
                if name.startswith(".") and name.endswith(".tmp"):
                    path = Path(parent, name)
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            folders[:] = [name for name in folders if not name.endswith(".tmp")]

    def _files(self, relative: Sequence[str]) -> list[str]:
        found: list[Path] = []
        for name in relative:
            path = self.path(name)
            found += [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
        return sorted(path.relative_to(self.folder).as_posix() for path in found)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as they read back from JSON, so that old and new can be compared."""
    import json

    plain: dict[str, Any] = json.loads(json.dumps(dict(values)))
    return plain
