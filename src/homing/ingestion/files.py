"""Which files to read, and the stable names they go by."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from homing.errors import UsageError
from homing.progress import say


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
    files = [SourceFile(path, name) for path, name in _distinct(found).items()]
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
    for parent, folders, names in os.walk(root, onerror=_warn):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path, path.relative_to(root).as_posix()


def _warn(error: OSError) -> None:
    say(f"Left out {error.filename}: the folder cannot be read ({error.strerror}).")


def _distinct(found: dict[Path, str]) -> dict[Path, str]:
    """Return the names, those that collide lengthened by parent folders until all differ."""
    names = dict(found)
    while len(set(names.values())) < len(names):
        n_with = Counter(names.values())
        for path, name in names.items():
            if n_with[name] > 1:
                depth = name.count("/") + 2
                names[path] = "/".join(part.strip("/") for part in path.parts[-depth:]).strip("/")
    return names
