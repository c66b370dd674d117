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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing import progress
from homing.dataset import Dataset
from homing.errors import NothingToDoError
from homing.retrieval.encoders import has_fast_bf16
from homing.retrieval.models import load_sentence_transformer
from homing.training.best import BestWeights
from homing.training.callbacks import (
    DevScore,
    TimedScore,
    dev_score,
    evaluation_steps,
    make_callback,
    make_trainer,
)
from homing.training.collating import PassageCollator
from homing.training.examples import Example, choose_examples, training_examples
from homing.training.losses import make_loss
from homing.training.merging import Merge
from homing.training.sampling import PassageBatchSampler
from homing.training.settings import TrainingSettings, settled
from homing.types import TrainingLog, content_id, passage_input

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CHECKPOINTS = "checkpoints"
MIN_PAIRS = 8
SAVE_EVERY_STEPS = 50
"""A stopped job loses at most this many steps; a checkpoint is three times the model's size."""


def train(
    dataset: Dataset,
    *,
    base_model: str,
    out: Path,
    settings: TrainingSettings | None = None,
    split: str = "train",
    score_dev: DevScore | None = None,
) -> TrainingLog:
    """Tune `base_model` on a split, save the better of base and best checkpoint; return the log.

    A job that was stopped goes on from its last checkpoint in `out`/checkpoints when it is run
    again with the same arguments.

    Args:
        dataset: Corpus, queries and qrels.
        base_model: Folder or hub id.
        out: The model folder that is made; loads with `SentenceTransformer(out)`.
        settings: How to train.
        split: Which qrels to learn from.
        score_dev: Scores an encoder on questions that training does not see. Without it the last
            weights are kept.

    Raises:
        NothingToDoError: If the split has fewer than `MIN_PAIRS` pairs.
        ModelNotFoundError: If the base model cannot be had.
        MissingDependencyError: If the libraries of the extra `train` are absent.
    """
    settings = settings or TrainingSettings()
    every = training_examples(dataset, split)
    settings = settled(settings, every)
    examples = choose_examples(every, settings.max_offline_passages, settings.seed)
    n_pairs = sum(len(example.queries) for example in examples)
    if n_pairs < MIN_PAIRS or len(examples) < 2:
        raise NothingToDoError(
            f"Only {n_pairs} question-passage pairs to train on; at least {MIN_PAIRS} over two "
            "passages are needed. Add documents, or questions with --train-questions."
        )
    drawn = f" of {len(every):,} (max_offline_passages)" if len(examples) < len(every) else ""
    progress.say(f"train: {n_pairs:,} pairs over {len(examples):,} passages{drawn}")
    model = load_for_training(base_model, settings)
    started = time.monotonic()
    timed = TimedScore(score_dev) if score_dev else None
    checkpoints = out / CHECKPOINTS
    lengths = _lengths(model, examples)
    base_score = dev_score(model, timed) if timed else None
    best = BestWeights(checkpoints, base_score, _job_key(base_model, settings, examples))
    merge = Merge(model, settings.merge_weight or 1.0)
    with _quiet_libraries():
        history = _fit(model, examples, lengths, settings, checkpoints, best, merge, timed)
        if best.kept == "base":
            model = load_for_training(base_model, settings)
        elif best.step:
            best.restore(model)
        else:
            merge.apply(model)
        _save(model, out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return TrainingLog(
        loss=[(row["step"], row["loss"]) for row in history if "loss" in row],
        dev=best.dev,
        kept=best.kept,
        best_step=best.step,
        n_pairs=n_pairs,
        n_passages=len(examples),
        n_tokens=sum(lengths) * settings.epochs,
        seconds=time.monotonic() - started,
        dev_seconds=timed.seconds if timed else 0.0,
        settings=asdict(settings),
    )


def load_for_training(base_model: str, settings: TrainingSettings) -> SentenceTransformer:
    """Return the model with every dropout at zero (deterministic, and much faster on CPU)."""
    import torch

    model = load_sentence_transformer(
        base_model, max_tokens=settings.max_tokens, device=settings.device
    )
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep the libraries' own bars and hints off stderr while our progress is shown."""
    import datasets
    import transformers

    level = transformers.logging.get_verbosity()
    had_bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        datasets.enable_progress_bars()
        if had_bars:
            transformers.logging.enable_progress_bar()


def _save(model: SentenceTransformer, out: Path) -> None:
    """Write the model beside its place, then move it there, so that no half model is seen."""
    scratch = out.with_name(f".{out.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # They are set anew by every call; what the last one left would make the bytes its own.
        backend.no_padding()
        backend.no_truncation()
    model.save_pretrained(str(scratch), create_model_card=False)
    out.mkdir(parents=True, exist_ok=True)
    for entry in scratch.iterdir():
        target = out / entry.name
        if target.is_dir():
            shutil.rmtree(target)
        entry.replace(target)
    scratch.rmdir()


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
    n_steps = len(sampler) * settings.epochs
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
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_passages,
        "learning_rate": settings.learning_rate,
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
