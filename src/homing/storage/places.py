"""Places: local paths and URIs, and the file system that each of them is on."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from homing.errors import MissingDependencyError, UsageError

Place = str | Path
"""A local path, or a URI such as s3://bucket/folder."""

SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]+)://")
EXTRAS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""Scheme -> the fsspec library that serves it where pyarrow was built without it."""


def scheme_of(place: Place) -> str:
    """Return the scheme of a URI in lower case, "" for a local path."""
    found = SCHEME.match(str(place))
    return found[1].lower() if found else ""


def is_remote(place: Place) -> bool:
    """Tell whether a place is a URI, not a path of this machine; file:// is a path."""
    return scheme_of(place) not in ("", "file")


def join(place: Place, *parts: str) -> str:
    """Return the place of something inside a folder."""
    base = str(place).rstrip("/") or "/"
    return "/".join([base.rstrip("/"), *(part.strip("/") for part in parts)])


def name_of(place: Place) -> str:
    """Return the last part of a place: a file's or a folder's name."""
    return str(place).rstrip("/").rpartition("/")[2]


def file_system(place: Place) -> tuple[Any, str]:
    """Return the pyarrow file system of a place, and its path there.

    Credentials and endpoints are taken from where the libraries look for them: AWS_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID, the instance's role and their like.

    Raises:
        UsageError: No library knows the scheme.
        MissingDependencyError: The one that does is not installed.
    """
    scheme = scheme_of(place)
    if scheme in ("", "file"):
        return _local(), str(place).removeprefix("file://")
    path = SCHEME.sub("", str(place), count=1).rstrip("/")
    return _remote(scheme, path.partition("/")[0], str(place)), path


@lru_cache(maxsize=1)
def _local() -> Any:
    from pyarrow.fs import LocalFileSystem

    return LocalFileSystem()


@lru_cache(maxsize=64)
def _remote(scheme: str, bucket: str, place: str) -> Any:
    """Return a file system, one for each scheme and bucket (S3's knows its bucket's region)."""
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    try:
        return FileSystem.from_uri(f"{scheme}://{bucket}")[0]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, NotImplementedError):
        return _by_fsspec(scheme, place)


def _by_fsspec(scheme: str, place: str) -> Any:
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    library = EXTRAS.get(scheme, "fsspec")
    try:
        import fsspec
    except ImportError as error:
        raise _missing(library, place) from error
    try:
        found = fsspec.filesystem(scheme)
    except ImportError as error:
        raise _missing(library, place) from error
    except ValueError as error:
        raise UsageError(f"{place}: nothing here reads {scheme}:// ({error}).") from error
    return PyFileSystem(FSSpecHandler(found))


def _missing(library: str, place: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"{place} needs {library}, which is not installed. Install it with: pip install {library}"
    )
