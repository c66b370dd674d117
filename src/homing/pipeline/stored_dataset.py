"""The workspace's dataset for training: in memory, or where it is large as tables in the cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping

from homing.dataset import Dataset, load_dataset
from homing.dataset.row_files import TableFolder
from homing.dataset.stored import open_stored, store_dataset
from homing.pipeline.embedding import CORPUS, is_large
from homing.pipeline.job import CACHE, Job
from homing.ranks import is_main
from homing.storage import exists, is_remote, join, send_file
from homing.types import content_id

TABLES = f"{CACHE}/tables"
WHOLE = "splits.txt"
"""Of a copy for other machines this is sent last."""


def open_dataset(job: Job, inputs: Mapping[str, str]) -> Dataset:
    """Return the workspace's dataset; a large one is read from disk row by row.

    Args:
        inputs: Name -> SHA-256 of the files that it is made of.
    """
    import pyarrow.parquet as pq

    folder = job.workspace.folder
    corpus = job.path(CORPUS)
    if not corpus.is_file() or not is_large(pq.read_metadata(corpus).num_rows):
        return load_dataset(folder)
    key = content_id(json.dumps(dict(inputs), sort_keys=True))
    local = job.path(TABLES) / key
    if is_main() and local.parent.is_dir():
        for other in local.parent.iterdir():
            if other.name != key and not other.name.startswith("."):
                shutil.rmtree(other)
    if not store_dataset(folder, local):
        return load_dataset(folder)
    return open_stored(TableFolder(local, _place(job, key)))


def _place(job: Job, key: str) -> str | None:
    """Return where the machines of a cluster find a copy; None where they reach the same path."""
    if not is_remote(job.shared):
        return None
    place = join(job.shared, TABLES, key)
    if job.settings.engine.name != "local" and not exists(join(place, WHOLE)):
        files = sorted((job.path(TABLES) / key).iterdir(), key=lambda file: file.name == WHOLE)
        for file in files:
            send_file(file, join(place, file.name))
    return place
