"""What a copy of a remote workspace knows of each file: how it was here and there when both agreed.

The name of the copy is kept with it. A copy that finds itself on another machine, such as in the
image of a disk, takes a new name.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from homing.storage import FoundFile

Stamp = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds, of a file of this machine."""


class Known(NamedTuple):
    """A file when both sides agreed: here, and as the store told its size and time."""

    here: Stamp
    size: int
    modified: float | None


@dataclass
class MirrorIndex:
    """Name -> what is known; `owner` is the name of the copy.

    Several threads may note what they did.
    """

    path: Path
    host: str
    owner: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    files: dict[str, Known] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(cls, path: Path, *, host: str) -> MirrorIndex:
        """Return the index that was saved, a new one where there is none for this machine."""
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            if saved["host"] == host:
                files = {name: _known(entry) for name, entry in saved["files"].items()}
                return cls(path, host, str(saved["owner"]), files)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        fresh = cls(path, host)
        fresh.save()
        return fresh

    def is_here(self, name: str, stamp: Stamp) -> bool:
        """Tell whether a file of the copy is as it was when both sides agreed."""
        return name in self.files and self.files[name].here == stamp

    def is_there(self, name: str, found: FoundFile) -> bool:
        """Tell whether a remote file is as it was when both sides agreed."""
        known = self.files.get(name)
        return known is not None and (known.size, _second(known.modified)) == (
            found.size,
            _second(found.modified),
        )

    def note(self, name: str, known: Known) -> None:
        """Keep that both sides agree."""
        with self._lock:
            self.files[name] = known

    def forget(self, name: str) -> None:
        """Keep that there is no such file."""
        with self._lock:
            self.files.pop(name, None)

    def save(self) -> None:
        """Write the index to its file, whole."""
        with self._lock:
            saved = {"host": self.host, "owner": self.owner, "files": self.files}
            text = json.dumps(saved, indent=1, ensure_ascii=False)
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.path)


def _second(modified: float | None) -> int | None:
    """Return a time as every answer of a store tells it; some lists have milliseconds more."""
    return None if modified is None else int(modified)


def _known(entry: Sequence[Any]) -> Known:
    (size_here, changed_here), size, modified = entry
    return Known((size_here, changed_here), size, modified)
