"""Full fine-tuning on sentence-transformers' Trainer with our sampler, collator and loss.

The Trainer keeps what it is good at (checkpoints, resume, devices, schedules, logging); this
room adds what makes the time pay: each passage encoded once with all its questions, batches of
like length, dropout off (which lets the fused attention kernel run on CPU), bf16 where the
processor computes in it. `docs/experiments.md` says what each of these brings.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from homing.dataset.row_files import Numbers
from homing.errors import UsageError
from homing.ranks import is_main, n_ranks
from homing.training.arguments import SAVE_EVERY_STEPS
from homing.training.best import BestWeights
from homing.training.callbacks import TimedScore, dev_score
from homing.training.examples import Examples
from homing.training.fitting import Fitted, Fitting
from homing.training.guide import make_guide
from homing.training.job import TrainingJob
from homing.training.merging import Merge
from homing.training.mining import HardNegatives
from homing.training.models import load_for_training, quiet_libraries
from homing.training.parts import PartOf, Whole, whole
from homing.training.settings import best_device
from homing.training.together import connect, from_main
from homing.training.tracking import check_tracking
from homing.types import TrainingLog, content_id

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CHECKPOINTS = "checkpoints"
TEXTS_AT_ONCE = 1024
"""Tokenised together when lengths are counted."""


def tune(job: TrainingJob) -> TrainingLog:
    """Tune every weight; keep the better of base and best checkpoint."""
    return tune_part(job, whole)


def tune_part(job: TrainingJob, part_of: PartOf) -> TrainingLog:
    """Tune a part of the model's weights; keep the better of base and best checkpoint.

    A job that was stopped goes on from its last checkpoint in `job.out`/checkpoints when it is run
    again with the same arguments.

    Args:
        part_of: Makes the part that is trained.
    """
    settings, examples = job.settings, job.examples()
    check_tracking(settings.track)
    connect(best_device(settings.device))
    if len(examples) < n_ranks():
        raise UsageError(
            f"{n_ranks()} processes cannot share {len(examples)} passages. Take fewer."
        )
    model = load_for_training(job.base_model, settings)
    started = time.monotonic()
    timed = TimedScore(job.score_dev) if job.score_dev else None
    checkpoints = job.out / CHECKPOINTS
    lengths = from_main(lambda: _lengths(model, examples))
    base_score = from_main(lambda: dev_score(model, timed)) if timed else None
    guide = make_guide(job)
    part = part_of(model, settings)
    best = BestWeights(checkpoints, base_score, job_key(job, examples))
    merge = Merge(model, settings.merge_weight or 1.0, part.is_averaged)
    hard = HardNegatives(job, examples, checkpoints) if settings.negatives.n else None
    with quiet_libraries():
        if guide is not None:
            guide.read(examples)
        fitted = Fitting(
            job,
            examples,
            lengths,
            part_of,
            best,
            merge,
            hard,
            guide,
            timed,
            SAVE_EVERY_STEPS,
        ).run(model, part)
        if is_main():
            _save(job, fitted, best, merge)
            shutil.rmtree(checkpoints, ignore_errors=True)
    return TrainingLog(
        loss=[(row["step"], row["loss"]) for row in fitted.history if "loss" in row],
        dev=best.dev,
        kept=best.kept,
        best_step=best.step,
        n_pairs=examples.n_pairs,
        n_passages=len(examples),
        n_tokens=int(lengths.sum()) * settings.n_epochs,
        seconds=time.monotonic() - started,
        dev_seconds=timed.seconds if timed else 0.0,
        settings=asdict(settings),
        false_negative_fraction=hard.mined.false_negative_fraction if hard else None,
        note="; ".join(fitted.notes),
    )


def _save(job: TrainingJob, fitted: Fitted, best: BestWeights, merge: Merge) -> None:
    """Save the best on dev: the base, a checkpoint, or without dev questions the last weights."""
    model, part = fitted.model, fitted.part
    if best.kept == "base":
        model, part = load_for_training(job.base_model, job.settings), Whole()
    elif best.step:
        best.restore(model)
    else:
        merge.apply(model)
    part.save(model, job.out)


def job_key(job: TrainingJob, examples: Examples) -> str:
    """Return what a checkpoint must agree in before a job may go on from it."""
    pairs = hashlib.sha256()
    for passage_id, query_id in examples.pairs():
        pairs.update(f"{passage_id}/{query_id}\n".encode("utf-8", "surrogatepass"))
    values = [asdict(replace(job.settings, track=None)), job.n_batches_in_step]
    return content_id(job.base_model, json.dumps(values, sort_keys=True), pairs.hexdigest())


def _lengths(model: SentenceTransformer, examples: Examples) -> Numbers:
    """Return the tokens of each example's passage, at most what the model reads, int32 (n,)."""
    limit = model.max_seq_length or 512
    texts = examples.inputs()
    lengths: list[int] = []
    while block := list(itertools.islice(texts, TEXTS_AT_ONCE)):
        encoded = model.tokenizer(block, truncation=False, verbose=False)
        lengths += [min(len(ids), limit) for ids in encoded["input_ids"]]
    return np.array(lengths, dtype=np.int32)
