"""Files wherever they lie: a folder of this machine, S3, GCS, Azure, or what fsspec reaches.

A *place* is a local path or a URI such as s3://bucket/folder/file. Reading and writing go through
pyarrow's file systems, and through fsspec for the schemes that those do not know. What is written
at a place is there whole or not at all.
"""

from homing.storage.copies import local_copy
from homing.storage.errors import storage_error, storage_errors
from homing.storage.files import (
    FoundFile,
    exists,
    fetch_file,
    find_file,
    list_files,
    modified_at,
    open_input,
    open_output,
    read_bytes,
    remove,
    send_file,
    write_bytes,
)
from homing.storage.places import (
    Place,
    absolute,
    file_system,
    is_remote,
    join,
    local_path,
    name_of,
    shown,
)

__all__ = [
    "FoundFile",
    "Place",
    "absolute",
    "exists",
    "fetch_file",
    "file_system",
    "find_file",
    "is_remote",
    "join",
    "list_files",
    "local_copy",
    "local_path",
    "modified_at",
    "name_of",
    "open_input",
    "open_output",
    "read_bytes",
    "remove",
    "send_file",
    "shown",
    "storage_error",
    "storage_errors",
    "write_bytes",
]
