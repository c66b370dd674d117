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
USER = re.compile(r"://[^/@]*@")
PASSWORD = re.compile(r"://[^/@]*:[^/@]*@")


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


def local_path(place: Place) -> Path:
    """Return the path of a place on this machine, without file:// and with ~ resolved."""
    return Path(str(place).removeprefix("file://")).expanduser()


def absolute(place: Place) -> str:
    """Return a place that means the same from any folder: a URI as it is, a path made absolute.

    Raises:
        UsageError: A URI holds a password, and what is made absolute is kept in settings.
    """
    if is_remote(place):
        check_no_password(place)
        return str(place)
    return str(local_path(place).absolute())


def check_no_password(place: Place) -> None:
    """Raise `UsageError` if a URI holds a password: settings, logs and manifests would keep it."""
    if PASSWORD.search(str(place)):
        raise UsageError(
            f"{shown(place)} was given with a password, which would end up in homing.yaml. Leave "
            "it out and set it as the library of the store reads it, such as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; see docs/storage.md."
        )


def shown(place: Place) -> str:
    """Return a place as messages name it: without user and password."""
    return USER.sub("://", str(place))


def file_system(place: Place) -> tuple[Any, str]:
    """Return the pyarrow file system of a place, and its path there.

    Credentials and endpoints are taken from where the libraries look for them: AWS_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID, the instance's role and their like.

    Raises:
        UsageError: No library knows the scheme, or the URI names no bucket or holds a password.
        MissingDependencyError: The one that does is not installed.
        StorageError: Amazon was asked where the bucket is, and did not say.
    """
    scheme = scheme_of(place)
    if scheme in ("", "file"):
        return _local(), str(place).removeprefix("file://")
    check_no_password(place)
    path = SCHEME.sub("", str(place), count=1).rstrip("/")
    bucket = path.partition("/")[0]
    if scheme == "s3":
        from homing.storage.errors import storage_errors
        from homing.storage.s3 import s3_file_system

        if not bucket:
            raise UsageError(f"{place} names no bucket: write s3://BUCKET/FOLDER/.")
        with storage_errors(place):
            return s3_file_system(bucket), path
    found = _by_pyarrow(scheme, bucket)
    return (found, path) if found is not None else _by_fsspec(scheme, str(place))


def clear_file_systems() -> None:
    """Forget the file systems that were made, such as after credentials have changed."""
    from homing.storage.s3 import s3_file_system

    s3_file_system.cache_clear()
    _by_pyarrow.cache_clear()


@lru_cache(maxsize=1)
def _local() -> Any:
    from pyarrow.fs import LocalFileSystem

    return LocalFileSystem()


@lru_cache(maxsize=64)
def _by_pyarrow(scheme: str, bucket: str) -> Any:
    """Return pyarrow's own file system for a scheme, None where it has none."""
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    try:
        return FileSystem.from_uri(f"{scheme}://{bucket}")[0]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, NotImplementedError):
        return None


def _by_fsspec(scheme: str, place: str) -> tuple[Any, str]:
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    library = EXTRAS.get(scheme, "fsspec")
    try:
        import fsspec
    except ImportError as error:
        raise _missing(library, place) from error
    try:
        # Other machines write there, too: what was listed before says nothing about now.
        found, path = fsspec.core.url_to_fs(place, use_listings_cache=False)
    except ImportError as error:
        raise _missing(library, place) from error
    except ValueError as error:
        raise UsageError(f"{shown(place)}: nothing here reads {scheme}:// ({error}).") from error
    return PyFileSystem(FSSpecHandler(found)), path


def _missing(library: str, place: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"{shown(place)} needs {library}, which is not installed. "
        f"Install it with: pip install {library}"
    )
