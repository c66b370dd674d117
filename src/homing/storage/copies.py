"""A remote file as a local one for as long as it is read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from homing.storage.files import fetch_file
from homing.storage.places import Place, is_remote, local_path, name_of

PREFIX = "homing-copy-"


@contextmanager
def local_copy(place: Place) -> Iterator[Path]:
    """Give a path at which a file can be read: its own, or that of a copy removed afterwards.

    A copy has the name of the original.

    Raises:
        FileNotFoundError: There is no such remote file.
        StorageError: The store cannot be reached or refuses.
    """
    if not is_remote(place):
        yield local_path(place)
        return
    sweep()
    with tempfile.TemporaryDirectory(
        prefix=f"{PREFIX}{os.getpid()}-", ignore_cleanup_errors=True
    ) as folder:
        path = Path(folder, name_of(place))
        fetch_file(place, path)
        yield path


@lru_cache(maxsize=1)
def sweep() -> None:
    """Remove, once in a process, the copies that killed processes of this machine left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        with suppress(OSError, ValueError):
            if not _is_alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
