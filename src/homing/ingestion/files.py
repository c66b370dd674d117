"""Which files to read, and the stable names they go by."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from homing.errors import UsageError
from homing.progress import say
from homing.storage import (
    FoundFile,
    Place,
    absolute,
    exists,
    find_file,
    is_remote,
    join,
    list_files,
    local_path,
    shown,
)
from homing.storage.patterns import has_pattern, is_hidden, match_files
from homing.workspace import MARKER, hash_file

NOTHING_THERE = (
    "no such file or folder, and no file matches it as a pattern. "
    "Check the spelling; quote patterns so that the shell leaves them alone."
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read; `storage.local_copy(file.place)` makes it readable here.

    Attributes:
        place: Where it lies: an absolute path or a URI.
        name: How documents and reports call it: relative to the folder that was given, with `/`;
            for a file given by itself its file name. Unique among the files of one call.
        n_bytes: The size of a remote file as the store told; None for a local one.
        modified: When a remote file was written, in seconds since 1970; None where not known.
    """

    place: Place
    name: str
    n_bytes: int | None = None
    modified: float | None = None

    @property
    def path(self) -> Path:
        """Where a local file lies."""
        return local_path(self.place)

    def size(self) -> int:
        """Return the size in bytes, 0 where it cannot be told."""
        if self.n_bytes is not None:
            return self.n_bytes
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def fingerprint(self) -> str:
        """Return what changes when the file does.

        Of a local file the SHA-256 of its bytes; of a remote one, which is not fetched for that,
        its size and time, such as "1234 bytes of 2026-01-31T12:00:00+00:00".

        Raises:
            OSError: A local file cannot be read.
        """
        if not is_remote(self.place):
            return hash_file(self.path)
        if self.modified is None:
            return f"{self.n_bytes} bytes"
        written = datetime.fromtimestamp(int(self.modified), UTC).isoformat()
        return f"{self.n_bytes} bytes of {written}"


class _Found(NamedTuple):
    """Name of a file and, of a remote one, size and time."""

    name: str
    n_bytes: int | None = None
    modified: float | None = None


def find_files(sources: Sequence[Place]) -> list[SourceFile]:
    """Return the files that folders, files and glob patterns stand for, sorted by name.

    Each may be a URI, such as s3://bucket/docs/. Folders are searched to the bottom; hidden files
    and folders in them are left out. A file that is reached twice is listed once. Where two files
    would have the same name, each takes as many of its parent folders into its name as it needs to
    differ.

    Raises:
        UsageError: If a source does not exist or a pattern matches nothing.
        StorageError: A store cannot be reached or refuses.
    """
    found: dict[str, _Found] = {}
    for source in sources:
        expanded = _expand_remote(absolute(source)) if is_remote(source) else _expand(source)
        for place, what in expanded:
            found.setdefault(place, what)
    names = _distinct({place: what.name for place, what in found.items()})
    files = [
        SourceFile(place, names[place], what.n_bytes, what.modified)
        for place, what in found.items()
    ]
    return sorted(files, key=lambda file: file.name)


def check_sources_exist(sources: Sequence[Place]) -> None:
    """Raise as `find_files` does, without listing all that a folder holds."""
    for source in sources:
        if not is_remote(source):
            next(_expand(source), None)
        elif has_pattern(absolute(source)):
            next(_expand_remote(str(source)))
        elif not exists(absolute(source)):
            raise UsageError(f"{shown(source)}: {NOTHING_THERE}")


def _expand(source: Place) -> Iterator[tuple[str, _Found]]:
    """Yield (absolute path, what is known) of every file that one source stands for."""
    path = local_path(source)
    if path.is_dir():
        yield from _walk(path)
    elif path.exists():
        yield os.path.abspath(path), _Found(path.name)
    else:
        matches = sorted(glob.glob(str(path), recursive=True))
        if not matches:
            raise UsageError(f"{source}: {NOTHING_THERE}")
        for match in map(Path, matches):
            if match.is_dir():
                yield from _walk(match)
            else:
                yield os.path.abspath(match), _Found(match.name)


def _walk(folder: Path) -> Iterator[tuple[str, _Found]]:
    """Yield (absolute path, name relative to `folder`) of every visible file below."""
    root = os.path.abspath(folder)
    for parent, folders, names in os.walk(root, onerror=_warn):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield str(path), _Found(path.relative_to(root).as_posix())


def _warn(error: OSError) -> None:
    say(f"Left out {error.filename}: the folder cannot be read ({error.strerror}).")


def _expand_remote(source: str) -> Iterator[tuple[str, _Found]]:
    """Yield (URI, what is known) of every file that a URI stands for, in one listing of it.

    What some job has put into a workspace among them is left out.
    """
    if (file := find_file(source)) is not None:
        matches = [(source, file.name, file)]
    elif has_pattern(source):
        matches = list(match_files(source))
    else:
        below = [file for file in list_files(source) if not is_hidden(file.name)]
        matches = [(join(source, file.name), file.name, file) for file in below]
    if not matches:
        raise UsageError(f"{shown(source)}: {NOTHING_THERE}")
    for place, name, known in _outside_workspaces(matches):
        yield place, _Found(name, known.size, known.modified)


def _outside_workspaces(
    matches: Sequence[tuple[str, str, FoundFile]],
) -> Iterator[tuple[str, str, FoundFile]]:
    spaces = tuple(place[: -len(MARKER)] for place, _, _ in matches if place.endswith(f"/{MARKER}"))
    return (match for match in matches if not (spaces and match[0].startswith(spaces)))


def _distinct(names: dict[str, str]) -> dict[str, str]:
    """Return place -> name, those that collide lengthened by parent folders until all differ."""
    names = dict(names)
    while len(set(names.values())) < len(names):
        n_with = Counter(names.values())
        for place, name in names.items():
            if n_with[name] > 1:
                depth = name.count("/") + 2
                parts = PurePosixPath(place).parts[-depth:]
                names[place] = "/".join(part.strip("/") for part in parts).strip("/")
    return names
