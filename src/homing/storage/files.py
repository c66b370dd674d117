"""Reading and writing at places: whole files, ranges of them, and what a folder holds."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homing.storage.errors import storage_errors
from homing.storage.places import Place, file_system, is_remote, local_path

CHUNK = 8 << 20
OBJECT_STORES = ("s3", "gcs", "abfs")
"""pyarrow's file systems that show an object when its upload is complete, and never a part."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file in a folder.

    Attributes:
        name: Relative to the folder, with "/".
        size: In bytes.
        modified: When it was written last, in seconds since 1970 by the store's clock; None where
            the store does not say.
    """

    name: str
    size: int
    modified: float | None


def open_input(place: Place) -> Any:
    """Return a pyarrow file to read from anywhere in; a remote one is read by ranges.

    Raises:
        FileNotFoundError: There is none.
        StorageError: The store cannot be reached or refuses.
    """
    system, path = file_system(place)
    with storage_errors(place):
        return system.open_input_file(path)


@contextmanager
def open_output(place: Place) -> Iterator[Any]:
    """Give a pyarrow stream to write to; the file appears when the block ends well.

    Where the block fails, nothing is left but what was there before. What goes to a remote place
    is written to a temporary file of this machine first and sent when it is whole: a store's
    stream that is let go of ends its upload all the same, with what it has.
    """
    import pyarrow as pa

    if not is_remote(place):
        with _local_output(local_path(place)) as stream:
            yield stream
        return
    with tempfile.NamedTemporaryFile(prefix="homing-") as file:
        with pa.OSFile(file.name, "wb") as stream:
            yield stream
        send_file(Path(file.name), place)


@contextmanager
def _local_output(path: Path) -> Iterator[Any]:
    import os

    import pyarrow as pa

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with pa.OSFile(str(temporary), "wb") as stream:
            yield stream
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def send_file(path: Path, place: Place) -> None:
    """Put a copy of a local file at a remote place, whole or not at all."""

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    _send(chunks(), place)


def fetch_file(place: Place, path: Path) -> None:
    """Put a copy of a file at a local path, which exists when the copy is whole.

    Raises:
        FileNotFoundError: There is none.
        StorageError: The store cannot be reached or refuses.
    """
    system, there = file_system(place)
    with (
        _local_output(path) as stream,
        storage_errors(place),
        system.open_input_stream(there, compression=None) as file,
    ):
        shutil.copyfileobj(file, stream, CHUNK)


def read_bytes(place: Place) -> bytes:
    """Return what a file holds.

    Raises:
        FileNotFoundError: There is none.
        StorageError: The store cannot be reached or refuses.
    """
    with open_input(place) as file, storage_errors(place):
        content: bytes = file.read()
        return content


def write_bytes(place: Place, content: bytes) -> None:
    """Make a file of these bytes, whole or not at all."""
    if is_remote(place):
        _send([content], place)
        return
    with open_output(place) as stream:
        stream.write(content)


def _send(chunks: Iterable[bytes], place: Place) -> None:
    """Make a remote file of these bytes.

    In a thread of its own: Ctrl-C would end the upload with what it has, and the store would show
    that as the file.
    """
    system, path = file_system(place)
    work = _send_object if system.type_name in OBJECT_STORES else _send_and_rename
    with storage_errors(place), ThreadPoolExecutor(1, "homing-send") as thread:
        thread.submit(work, system, path, chunks).result()


def _send_object(system: Any, path: str, chunks: Iterable[bytes]) -> None:
    """Write an object, which is shown when it is whole; one that is not is taken away again."""
    with system.open_output_stream(path, compression=None) as stream:
        try:
            for chunk in chunks:
                stream.write(chunk)
        except BaseException:
            with suppress(OSError):
                stream.close()
                system.delete_file(path)
            raise


def _send_and_rename(system: Any, path: str, chunks: Iterable[bytes]) -> None:
    """Write under a second name where a file is shown while it grows, and folders are made."""
    folder = path.rpartition("/")[0]
    if folder:
        system.create_dir(folder, recursive=True)
    with system.open_output_stream(f"{path}.partial", compression=None) as stream:
        for chunk in chunks:
            stream.write(chunk)
    system.move(f"{path}.partial", path)


def exists(place: Place) -> bool:
    """Tell whether there is a file or a folder."""
    from pyarrow.fs import FileType

    return bool(_info(place).type != FileType.NotFound)


def find_file(place: Place) -> FoundFile | None:
    """Return what is known of a file, named by its last part; None where there is no file."""
    from pyarrow.fs import FileType

    info = _info(place)
    return _found(info, info.base_name) if info.type == FileType.File else None


def modified_at(place: Place) -> float | None:
    """Return when a file was written last, in seconds since 1970; None if there is none."""
    found = find_file(place)
    return None if found is None else found.modified


def list_files(place: Place) -> list[FoundFile]:
    """Return every file below a folder, by name; none where there is no such folder."""
    from pyarrow.fs import FileSelector, FileType

    system, path = file_system(place)
    base = path.rstrip("/")
    selector = FileSelector(base, recursive=True, allow_not_found=True)
    with storage_errors(place):
        infos = system.get_file_info(selector)
    found = [
        _found(info, info.path[len(base) :].lstrip("/"))
        for info in infos
        if info.type == FileType.File
    ]
    return sorted(found, key=lambda file: file.name)


def remove(place: Place) -> None:
    """Remove a file, or a folder with all that is in it; nothing happens where there is none."""
    from pyarrow.fs import FileType

    system, path = file_system(place)
    kind = _info(place).type
    with storage_errors(place), suppress(FileNotFoundError):
        if kind == FileType.Directory:
            system.delete_dir(path)
        elif kind == FileType.File:
            system.delete_file(path)


def _info(place: Place) -> Any:
    system, path = file_system(place)
    with storage_errors(place):
        return system.get_file_info(path)


def _found(info: Any, name: str) -> FoundFile:
    modified = None if info.mtime_ns is None else info.mtime_ns / 1e9
    return FoundFile(name, info.size, modified)
