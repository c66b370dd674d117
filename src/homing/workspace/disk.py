"""What the disk says, in words that name the remedy; and the hashes of what lies on it."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from homing.errors import HomingError
from homing.ranks import is_main

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
NO_SPACE_BYTES = 1 << 20
"""With less than this left, an error of any library's own kind is taken for a full disk."""


def disk_error(error: OSError, path: str | Path) -> HomingError | None:
    """Return the typed error for a full or read-only disk, None for any other trouble.

    Args:
        error: What the system said.
        path: Named when the error itself names no file.
    """
    where = error.filename or path
    if error.errno in FULL:
        return HomingError(
            f"No space left to write {where}. Free some and run the same command again: "
            "finished stages are kept."
        )
    if error.errno in REFUSED:
        reason = (error.strerror or str(error)).lower()
        return HomingError(
            f"Cannot use {where}: {reason}. Change its permissions, or choose another folder."
        )
    return None


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn the errors of a full or read-only disk into `HomingError` while the block runs."""
    try:
        yield
    except HomingError:
        raise
    except OSError as error:
        if typed := disk_error(error, folder):
            raise typed from error
        raise
    except Exception as error:  # libraries in Rust and C++ wrap the system's error in their own
        if _is_full(folder):
            raise disk_error(OSError(errno.ENOSPC, ""), folder) or error from error
        raise


def _is_full(folder: Path) -> bool:
    with suppress(OSError):
        return shutil.disk_usage(folder).free < NO_SPACE_BYTES
    return False


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it becomes `target` when the block ends well."""
    fresh = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        put_folder(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def put_folder(fresh: Path, target: Path) -> None:
    """Move a complete folder to its place, unless another process of the same job does.

    Killed between the two renames, the folder is missing.
    """
    if not is_main():
        return
    old = target.with_name(f".{target.name}.old.tmp")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_files(paths: Iterable[Path]) -> str:
    """Return one SHA-256 over many files' names and bytes; the order does not matter."""
    lines = sorted(f"{path.name}\0{hash_file(path)}" for path in paths)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
