"""Training by several processes that another one started: what they are given, and where it lies.

The batches are those of one process with the same settings, each process takes its share of every
batch, and so the model is the same, up to rounding, however many there are. Where the model's
folder is a path that all of them reach, checkpoints are written there; where it is in an object
store, each process works in a folder of its own machine, and the first one sends what it keeps.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from homing.engine.group import Group
from homing.ranks import is_main
from homing.storage import Place, is_remote, remove
from homing.training.job import Recipe, TrainingJob
from homing.training.remote_folder import RemoteFolder
from homing.types import TrainingLog


@dataclass(frozen=True, slots=True)
class Share:
    """What every process is given.

    Attributes:
        job: Its `out` is that of the process that started it.
        place: Of the same folder for every process.
        recipe: Importable by name.
    """

    job: TrainingJob
    place: Place
    recipe: Recipe


def tune_together(group: Group, recipe: Recipe, job: TrainingJob, n_examples: int) -> TrainingLog:
    """Return the log of a job that a group has done; the model is in `job.out` then.

    Args:
        n_examples: How many passages are learnt from.
    """
    place = group.place_of(job.out)
    share = Share(replace(job, shares_batches=True, score_retriever=None), place, recipe)
    most = most_processes(n_examples, job.settings.batch_passages)
    log = group.run(_tune_share, share, place, most=most)
    if is_remote(place):
        RemoteFolder(job.out, place).fetch()
        remove(place)
    return log


def most_processes(n_examples: int, batch_passages: int) -> int:
    """Return how many processes can share every batch, so that each has a passage of it."""
    n_batches = max(1, -(-n_examples // batch_passages))
    return max(1, n_examples // n_batches)


def _tune_share(share: Share) -> TrainingLog:
    """Return the log of the job, in every process of the group."""
    if not is_remote(share.place):
        return share.recipe(replace(share.job, out=Path(str(share.place))))
    folder = Path(tempfile.mkdtemp(prefix="homing-"))
    try:
        kept = RemoteFolder(folder, share.place)
        kept.fetch(but_not=("group",))
        log = share.recipe(replace(share.job, out=folder, cache_folder=None, saved=kept.send))
        if is_main():
            kept.send()
        return log
    finally:
        shutil.rmtree(folder, ignore_errors=True)
