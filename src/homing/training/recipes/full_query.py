"""`full`, and then `query` over what came out: the best that both can do, one after the other.

The teacher of the second part is BM25 fused with the model that the first part made, which knows
more than the base did. Given epochs and rate are those of the first part.

What the first part made is kept in `job.out`/full until the second is done, so that a job that was
stopped does not train it again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace

from homing.dataset.tables import atomic
from homing.training.job import TrainingJob
from homing.training.recipes import full, query
from homing.training.settings import EPOCHS_AND_RATE
from homing.types import TrainingLog

FIRST = "full"
LOG = "homing-log.json"


def tune(job: TrainingJob) -> TrainingLog:
    """Tune every weight, then the tower for questions; keep what is best on dev."""
    first_job = replace(
        job, out=job.out / FIRST, settings=replace(job.settings, recipe="full"), unlabelled=()
    )
    first = _kept(first_job) or _trained(first_job)
    epochs, rate = EPOCHS_AND_RATE["query"]
    settings = replace(job.settings, recipe="query", epochs=epochs, learning_rate=rate)
    second = query.tune(replace(job, base_model=str(first_job.out), settings=settings))
    shutil.rmtree(first_job.out)
    return _joined(first, second, job)


def _joined(first: TrainingLog, second: TrainingLog, job: TrainingJob) -> TrainingLog:
    """Return one log of both parts; the second's steps follow the first's."""
    n_first = max((step for step, _ in (*first.loss, *first.dev)), default=0)

    def after(rows: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
        return [(n_first + step, value) for step, value in rows if step]

    is_tuned = "tuned" in (first.kept, second.kept)
    return replace(
        second,
        loss=[*first.loss, *after(second.loss)],
        dev=[*first.dev, *after(second.dev)],
        kept="tuned" if is_tuned else "base",
        best_step=n_first + second.best_step if second.kept == "tuned" else first.best_step,
        n_tokens=first.n_tokens + second.n_tokens,
        seconds=first.seconds + second.seconds,
        dev_seconds=first.dev_seconds + second.dev_seconds,
        settings=asdict(job.settings),
        index_stays=first.kept == "base",
        false_negative_fraction=first.false_negative_fraction,
        note=first.note,
    )


def _trained(job: TrainingJob) -> TrainingLog:
    log = full.tune(job)
    row = {"key": _key(job), "log": asdict(log)}
    with atomic(job.out / LOG) as scratch:
        scratch.write_text(json.dumps(row, default=str), encoding="utf-8")
    return log


def _kept(job: TrainingJob) -> TrainingLog | None:
    """Return the log of a first part that an earlier run finished with the same arguments."""
    try:
        row = json.loads((job.out / LOG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return TrainingLog.from_json(row["log"]) if row["key"] == _key(job) else None


def _key(job: TrainingJob) -> str:
    return full.job_key(job, job.examples())
