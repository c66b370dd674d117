"""The folder that holds all of a job: one job at a time, whole files only, stages that resume."""

from homing.workspace.disk import disk_error, disk_errors, hash_file, hash_files, whole_folder
from homing.workspace.folder import Workspace
from homing.workspace.manifest import Manifest, hash_code
from homing.workspace.mirror import MARKER, copied

__all__ = [
    "MARKER",
    "Manifest",
    "Workspace",
    "copied",
    "disk_error",
    "disk_errors",
    "hash_code",
    "hash_file",
    "hash_files",
    "whole_folder",
]
