"""Which files to read, and the stable names they go by."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from homing.errors import UsageError


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read.

    Attributes:
        path: Where it lies.
        name: How documents and reports call it: relative to the folder that was given, with `/`;
            for a file given by itself its file name. Unique among the files of one call.
    """

    path: Path
    name: str


def find_files(sources: Sequence[str | Path]) -> list[SourceFile]:
    """Return the files that folders, files and glob patterns stand for, sorted by name.

    Folders are searched to the bottom; hidden files and folders in them are left out. A file that
    is reached twice is listed once. Where two files would have the same name, each takes as many
    of its parent folders into its name as it needs to differ.

    Raises:
        UsageError: If a source does not exist or a pattern matches nothing.
    """
    found: dict[Path, str] = {}
    for source in sources:
        for path, name in _expand(source):
            found.setdefault(path, name)
    files = [SourceFile(path, name) for path, name in _distinct(found)]
    return sorted(files, key=lambda file: file.name)


def _expand(source: str | Path) -> Iterator[tuple[Path, str]]:
    """Yield (absolute path, name) of every file that one source stands for."""
    path = Path(source).expanduser()
    if path.is_dir():
        yield from _walk(path)
    elif path.exists():
        yield Path(os.path.abspath(path)), path.name
    else:
        matches = sorted(glob.glob(str(path), recursive=True))
        if not matches:
            raise UsageError(
                f"{source}: no such file or folder, and no file matches it as a pattern. "
                "Check the spelling; quote patterns so that the shell leaves them alone."
            )
        for match in map(Path, matches):
            if match.is_dir():
                yield from _walk(match)
            else:
                yield Path(os.path.abspath(match)), match.name


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield (absolute path, name relative to `folder`) of every visible file below."""
    root = os.path.abspath(folder)
    for parent, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path, path.relative_to(root).as_posix()


def _distinct(found: dict[Path, str]) -> Iterable[tuple[Path, str]]:
    """Yield (path, name), names that collide lengthened by parent folders until they differ."""
    by_name: dict[str, list[Path]] = {}
    for path, name in found.items():
        by_name.setdefault(name, []).append(path)
    for name, paths in by_name.items():
        if len(paths) == 1:
            yield paths[0], name
            continue
        depth = name.count("/") + 2
        while len({path.parts[-depth:] for path in paths}) < len(paths):
            depth += 1
        for path in paths:
            yield path, "/".join(path.parts[-depth:]).lstrip("/")
