"""Curves besides stderr: TensorBoard or Trackio, through the libraries' own callbacks."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from homing.errors import MissingDependencyError
from homing.progress import say
from homing.ranks import is_main
from homing.training.job import TrainingJob

FOLDER = "tracking"
PROJECT = "homing"
OF_EXTRA = frozenset({"tensorboard"})
"""Trackio brings a web framework of its own and is left to those who want it."""
PLACES = {"tensorboard": "TENSORBOARD_LOGGING_DIR", "trackio": "TRACKIO_DIR"}
"""Library -> the variable in which it is told where to write."""
LOOK = {"tensorboard": "tensorboard --logdir {0}", "trackio": "TRACKIO_DIR={0} trackio show"}


def tracking_folder(job: TrainingJob) -> Path:
    """Return where a job's curves are kept: in a workspace's cache, else beside the model.

    They are no part of the model, and outlive the folder of an unfinished job.
    """
    beside = job.cache_folder or job.out
    return beside.absolute().parent / FOLDER


def check_tracking(track: str | None) -> None:
    """Raise `MissingDependencyError` if the library that is asked for is not installed."""
    if track is None or importlib.util.find_spec(track) is not None:
        return
    if track in OF_EXTRA:
        raise MissingDependencyError.for_extra(track, "track")
    raise MissingDependencyError(f"{track} is not installed. Install it with: pip install {track}")


@contextmanager
def tracked(job: TrainingJob, run: str) -> Iterator[dict[str, str]]:
    """Give the Trainer's arguments for the tracking that a job asks for, while it is trained.

    Args:
        run: Names the run; a job that goes on after a stop goes on with its run.
    """
    track = job.settings.track
    if track is None:
        yield {"report_to": "none"}
        return
    folder = tracking_folder(job)
    variable = PLACES[track]
    before = os.environ.get(variable)
    os.environ[variable] = str(folder / run if track == "tensorboard" else folder)
    if is_main():
        folder.mkdir(parents=True, exist_ok=True)
        say(f"train: curves are in {folder}; look with: {LOOK[track].format(folder)}")
    try:
        named = {"project": PROJECT, "run_name": run} if track == "trackio" else {}
        yield {"report_to": track, **named}
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before
