"""Full fine-tuning on sentence-transformers' Trainer with our sampler, collator and loss.

The Trainer keeps what it is good at (checkpoints, resume, devices, schedules, logging); this
room adds what makes the time pay: each passage encoded once with all its questions, batches of
like length, dropout off (which lets the fused attention kernel run on CPU), bf16 where the
processor computes in it. `docs/experiments.md` says what each of these brings.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing import progress
from homing.retrieval.encoders import has_fast_bf16
from homing.training.best import BestWeights
from homing.training.callbacks import (
    TimedScore,
    dev_score,
    evaluation_steps,
    make_callback,
    make_trainer,
)
from homing.training.collating import PassageCollator
from homing.training.examples import Example
from homing.training.job import DevScore, TrainingJob
from homing.training.losses import make_loss
from homing.training.merging import Merge
from homing.training.models import load_for_training, quiet_libraries, save_model
from homing.training.sampling import PassageBatchSampler
from homing.training.settings import TrainingSettings
from homing.types import TrainingLog, content_id, passage_input

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CHECKPOINTS = "checkpoints"
SAVE_EVERY_STEPS = 50
"""A stopped job loses at most this many steps; a checkpoint is three times the model's size."""


def tune(job: TrainingJob) -> TrainingLog:
    """Tune every weight; keep the better of base and best checkpoint.

    A job that was stopped goes on from its last checkpoint in `job.out`/checkpoints when it is run
    again with the same arguments.
    """
    settings, examples = job.settings, job.examples()
    model = load_for_training(job.base_model, settings)
    started = time.monotonic()
    timed = TimedScore(job.score_dev) if job.score_dev else None
    checkpoints = job.out / CHECKPOINTS
    lengths = _lengths(model, examples)
    base_score = dev_score(model, timed) if timed else None
    best = BestWeights(checkpoints, base_score, _job_key(job.base_model, settings, examples))
    merge = Merge(model, settings.merge_weight or 1.0)
    with quiet_libraries():
        history = _fit(model, examples, lengths, settings, checkpoints, best, merge, timed)
        if best.kept == "base":
            model = load_for_training(job.base_model, settings)
        elif best.step:
            best.restore(model)
        else:
            merge.apply(model)
        save_model(model, job.out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return TrainingLog(
        loss=[(row["step"], row["loss"]) for row in history if "loss" in row],
        dev=best.dev,
        kept=best.kept,
        best_step=best.step,
        n_pairs=sum(len(example.queries) for example in examples),
        n_passages=len(examples),
        n_tokens=sum(lengths) * settings.n_epochs,
        seconds=time.monotonic() - started,
        dev_seconds=timed.seconds if timed else 0.0,
        settings=asdict(settings),
    )


def _job_key(base_model: str, settings: TrainingSettings, examples: Sequence[Example]) -> str:
    """Return what a checkpoint must agree in before a job may go on from it."""
    pairs = [f"{e.passage.id}/{q.id}" for e in examples for q in e.queries]
    return content_id(base_model, json.dumps(asdict(settings), sort_keys=True), *pairs)


def _lengths(model: SentenceTransformer, examples: Sequence[Example]) -> list[int]:
    """Return the tokens of each example's passage, at most what the model reads."""
    limit = model.max_seq_length or 512
    texts = [passage_input(e.passage.title, e.passage.text) for e in examples]
    encoded = model.tokenizer(texts, truncation=False, verbose=False)
    return [min(len(ids), limit) for ids in encoded["input_ids"]]


def _fit(
    model: SentenceTransformer,
    examples: Sequence[Example],
    lengths: Sequence[int],
    settings: TrainingSettings,
    checkpoints: Path,
    best: BestWeights,
    merge: Merge,
    score_dev: DevScore | None,
) -> list[dict[str, Any]]:
    """Run the Trainer; return its log history."""
    collator = PassageCollator(
        examples,
        model,
        n_questions=settings.questions_per_passage,
        whole_fraction=settings.whole_fraction,
        seed=settings.seed,
    )
    sampler = PassageBatchSampler(
        lengths,
        [example.group for example in examples],
        batch_size=settings.batch_passages,
        seed=settings.seed,
    )
    n_steps = len(sampler) * settings.n_epochs
    with progress.track("Training", n_steps) as task:
        callback = make_callback(
            task,
            clock=(collator, sampler),
            best=best,
            merge=merge,
            score_dev=score_dev,
            evaluate_at=evaluation_steps(n_steps, settings.evaluations),
        )
        trainer = make_trainer(
            model,
            len(examples),
            collator,
            sampler,
            callback,
            _arguments(settings, checkpoints, n_steps, model.device.type),
            make_loss(model, settings.temperature),
        )
        trainer.train(resume_from_checkpoint=best.resumable())
    history: list[dict[str, Any]] = trainer.state.log_history
    return history


def _arguments(
    settings: TrainingSettings, checkpoints: Path, n_steps: int, device: str
) -> dict[str, Any]:
    """Return the keywords of `SentenceTransformerTrainingArguments`."""
    return {
        "output_dir": str(checkpoints),
        "num_train_epochs": settings.n_epochs,
        "per_device_train_batch_size": settings.batch_passages,
        "learning_rate": settings.peak_rate,
        "warmup_steps": round(settings.warmup_fraction * n_steps),
        "lr_scheduler_type": "linear",
        "weight_decay": settings.weight_decay,
        "optim": "adamw_torch_fused",
        "bf16": has_fast_bf16(device),
        "use_cpu": device == "cpu",
        "seed": settings.seed,
        "save_strategy": "steps",
        "save_steps": SAVE_EVERY_STEPS,
        "save_total_limit": 1,
        "eval_strategy": "no",
        "logging_steps": max(1, n_steps // 200),
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": device.startswith("cuda"),
    }
