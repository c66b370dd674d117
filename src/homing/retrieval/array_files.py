"""Arrays in files that are read where they lie: mapped on this machine, fetched from elsewhere.

What `np.savez` writes is not compressed, so that an array in it can be mapped like one in a file of
its own.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.storage import Place, is_remote, open_input, open_output, read_bytes, write_bytes

ALIGNMENT = 64
"""Bytes to which the last array of a padded file is aligned, as NumPy's products like it."""
_LOCAL_HEADER = 30
_NAMES_AT = 26
_ZIP64_FIELD = 20
_ARRAY_HEADER = 128


def save_array(place: Place, array: NDArray[Any]) -> None:
    """Write one array as .npy, whole or not at all."""
    with open_output(place) as stream:
        np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)


def open_array(place: Place) -> NDArray[Any]:
    """Return a saved array: mapped if the file is on this machine, else read.

    Raises:
        FileNotFoundError: There is none.
    """
    if is_remote(place):
        fetched: NDArray[Any] = np.load(io.BytesIO(read_bytes(place)), allow_pickle=False)
        return fetched
    mapped: NDArray[Any] = np.load(_path(place), mmap_mode="r", allow_pickle=False)
    return mapped


def save_arrays(place: Place, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write several arrays as .npz, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(place, buffer.getvalue())


def read_arrays(place: Place) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz by name.

    Raises:
        FileNotFoundError: There is none.
    """
    with np.load(io.BytesIO(read_bytes(place)), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def open_member(place: Place, name: str) -> NDArray[Any]:
    """Return one array of an .npz: mapped if the file is on this machine, else read.

    Raises:
        FileNotFoundError: There is none.
    """
    if is_remote(place):
        with open_input(place) as source, np.load(source, allow_pickle=False) as found:
            fetched: NDArray[Any] = found[name]
            return fetched
    with open(_path(place), "rb") as file:
        with zipfile.ZipFile(file) as archive:
            member = archive.getinfo(f"{name}.npy")
        file.seek(member.header_offset + _NAMES_AT)
        n_name, n_extra = struct.unpack("<HH", file.read(4))
        file.seek(n_name + n_extra, io.SEEK_CUR)
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        offset = file.tell()
    if 0 in shape:
        return np.empty(shape, dtype)  # nothing cannot be mapped
    return np.memmap(_path(place), dtype, "r", offset=offset, shape=shape)


def padding_before(last: str, *arrays: tuple[str, int]) -> NDArray[np.uint8]:
    """Return what to put, as "padding", before the last array of an .npz so that it is aligned.

    Args:
        last: Name of the last array.
        arrays: Names and sizes in bytes of those before the padding.
    """
    names = [name for name, _ in arrays] + ["padding", last]
    headers = sum(_LOCAL_HEADER + len(f"{name}.npy") + _ZIP64_FIELD for name in names)
    data = sum(size for _, size in arrays) + len(names) * _ARRAY_HEADER
    return np.zeros(-(headers + data) % ALIGNMENT, dtype=np.uint8)


def _path(place: Place) -> str:
    return str(place).removeprefix("file://")
