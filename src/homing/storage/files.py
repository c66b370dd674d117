"""Reading and writing at places: whole files, ranges of them, and what a folder holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homing.storage.places import Place, file_system, is_remote


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file in a folder.

    Attributes:
        name: Relative to the folder, with "/".
        size: In bytes.
    """

    name: str
    size: int


def open_input(place: Place) -> Any:
    """Return a pyarrow file to read from anywhere in; a remote one is read by ranges.

    Raises:
        FileNotFoundError: There is none.
    """
    system, path = file_system(place)
    return system.open_input_file(path)


@contextmanager
def open_output(place: Place) -> Iterator[Any]:
    """Give a pyarrow stream to write to; the file appears when the block ends well.

    Where the block fails, nothing is left but what was there before.
    """
    if not is_remote(place):
        with _local_output(Path(str(place).removeprefix("file://"))) as stream:
            yield stream
        return
    system, path = file_system(place)
    # An object store shows an object when its upload is complete, and never a part of it; an
    # upload that is let go of is completed by its library all the same, hence the second name.
    with system.open_output_stream(f"{path}.partial") as stream:
        yield stream
    system.move(f"{path}.partial", path)


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


def read_bytes(place: Place) -> bytes:
    """Return what a file holds.

    Raises:
        FileNotFoundError: There is none.
    """
    with open_input(place) as file:
        content: bytes = file.read()
        return content


def write_bytes(place: Place, content: bytes) -> None:
    """Make a file of these bytes, whole or not at all."""
    if is_remote(place):
        system, path = file_system(place)
        with system.open_output_stream(path) as stream:  # one request: all or nothing
            stream.write(content)
        return
    with open_output(place) as stream:
        stream.write(content)


def exists(place: Place) -> bool:
    """Tell whether there is a file or a folder."""
    from pyarrow.fs import FileType

    system, path = file_system(place)
    return bool(system.get_file_info(path).type != FileType.NotFound)


def modified_at(place: Place) -> float | None:
    """Return when a file was written last, in seconds since 1970; None if there is none."""
    from pyarrow.fs import FileType

    system, path = file_system(place)
    found = system.get_file_info(path)
    return None if found.type != FileType.File else found.mtime_ns / 1e9


def list_files(place: Place) -> list[FoundFile]:
    """Return every file below a folder, by name; none where there is no such folder."""
    from pyarrow.fs import FileSelector, FileType

    system, path = file_system(place)
    base = path.rstrip("/")
    selector = FileSelector(base, recursive=True, allow_not_found=True)
    found = [
        FoundFile(info.path[len(base) :].lstrip("/"), info.size)
        for info in system.get_file_info(selector)
        if info.type == FileType.File
    ]
    return sorted(found, key=lambda file: file.name)


def remove(place: Place) -> None:
    """Remove a file, or a folder with all that is in it; nothing happens where there is none."""
    from pyarrow.fs import FileType

    system, path = file_system(place)
    kind = system.get_file_info(path).type
    if kind == FileType.Directory:
        system.delete_dir(path)
    elif kind == FileType.File:
        system.delete_file(path)
