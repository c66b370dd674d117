"""Files wherever they lie: a folder of this machine, S3, GCS, Azure, or what fsspec reaches.

A *place* is a local path or a URI such as s3://bucket/folder/file. Reading and writing go through
pyarrow's file systems, and through fsspec for the schemes that those do not know. What is written
at a place is there whole or not at all.
"""

from homing.storage.files import (
    exists,
    list_files,
    modified_at,
    open_input,
    open_output,
    read_bytes,
    remove,
    write_bytes,
)
from homing.storage.places import Place, file_system, is_remote, join, name_of

__all__ = [
    "Place",
    "exists",
    "file_system",
    "is_remote",
    "join",
    "list_files",
    "modified_at",
    "name_of",
    "open_input",
    "open_output",
    "read_bytes",
    "remove",
    "write_bytes",
]
