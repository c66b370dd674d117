"""Folders and patterns of a store, as those of a disk: which files they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import translate

from homing.storage.files import FoundFile, list_files
from homing.storage.places import SCHEME, join

MAGIC = re.compile(r"[*?\[]")


def has_pattern(place: str) -> bool:
    """Tell whether a URI holds *, ? or [ and so may stand for several files."""
    return MAGIC.search(place) is not None


def match_files(pattern: str) -> Iterator[tuple[str, str, FoundFile]]:
    """Yield (URI, name, file) of the files that a URI with *, **, ? or [] stands for.

    As on a disk: `*` stays within a folder and matches no hidden name, `**` goes to the bottom. A
    folder that matches stands for the visible files below it, named relative to it; a file goes by
    its own name.
    """
    scheme = SCHEME.match(pattern)
    assert scheme is not None
    parts = pattern[scheme.end() :].strip("/").split("/")
    n_plain = next(n for n, part in enumerate(parts) if MAGIC.search(part))
    base = join(scheme[0] + parts[0], *parts[1:n_plain]) if n_plain else scheme[0]
    wanted = [_matcher(part) for part in parts[n_plain:]]
    for file in list_files(base):
        names = file.name.split("/")
        for depth in range(len(names) + 1):
            below = "/".join(names[depth:]) or names[-1]
            is_folder = depth < len(names)
            if _matches(names[:depth], wanted) and not (is_folder and is_hidden(below)):
                yield join(base, file.name), below, file
                break


def is_hidden(name: str) -> bool:
    """Tell whether a file, or a folder that it lies in, begins with a dot."""
    return any(part.startswith(".") for part in name.split("/"))


def _matcher(part: str) -> re.Pattern[str] | None:
    """Return the pattern of one part, None for `**`."""
    if part == "**":
        return None
    shields_hidden = "" if part.startswith(".") else r"(?!\.)"
    return re.compile(shields_hidden + translate(part))


def _matches(names: list[str], wanted: list[re.Pattern[str] | None]) -> bool:
    if not wanted:
        return not names
    first, rest = wanted[0], wanted[1:]
    if first is None:
        if _matches(names, rest):
            return True
        return bool(names) and not names[0].startswith(".") and _matches(names[1:], wanted)
    return bool(names) and first.match(names[0]) is not None and _matches(names[1:], rest)
