"""A folder of this machine whose files are kept at a remote place as well."""

from __future__ import annotations

from pathlib import Path

from homing.storage import Place, fetch_file, join, list_files, remove, send_file

LAST = "trainer_state.json"
"""What tells that a checkpoint is whole is sent after the rest of it."""


class RemoteFolder:
    """Sends what changes in a folder to a place, or makes the folder from the place.

    Args:
        folder: Of this machine.
        place: Of what is kept.
    """

    def __init__(self, folder: Path, place: Place) -> None:
        self.folder, self.place = folder, place
        self._sent: dict[str, tuple[int, int]] = {}

    def fetch(self, *, but_not: tuple[str, ...] = ()) -> None:
        """Bring what lies at the place into the folder.

        Args:
            but_not: Names of folders in it that are left where they are.
        """
        for file in list_files(self.place):
            if file.name.partition("/")[0] not in but_not:
                target = self.folder / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                fetch_file(join(self.place, file.name), target)
                self._sent[file.name] = _stamp(target)

    def send(self) -> None:
        """Send what has changed since the last time, and remove what is gone."""
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        files = {path.relative_to(self.folder).as_posix(): path for path in paths}
        for name in sorted(files, key=lambda name: (name.endswith(LAST), name)):
            stamp = _stamp(files[name])
            if self._sent.get(name) != stamp:
                send_file(files[name], join(self.place, name))
                self._sent[name] = stamp
        for name in self._sent.keys() - files.keys():
            remove(join(self.place, name))
            del self._sent[name]


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
