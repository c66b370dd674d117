"""A cross-encoder on the same questions, on sentence-transformers' CrossEncoder Trainer.

It reads a question with each passage that a first stage found, BM25 fused with an encoder, and is
trained on what that first stage would put before it: the right passage among mined negatives.
From a cross-encoder it goes on; from an encoder it starts with a fresh head, and a few hundred
questions are then seldom enough (`docs/experiments.md`).

What is handed over beats the first stage on dev. Where nothing does, no model stands in the
folder, so that none is deployed by oversight; what training made lies in `not-better/` in it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from homing import progress
from homing.progress import say
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import encoder_for
from homing.training.arguments import SAVE_EVERY_STEPS, trainer_arguments
from homing.training.best import BestWeights
from homing.training.callbacks import evaluation_steps, make_callback
from homing.training.cross_encoders import (
    is_cross_encoder,
    load_for_pairs,
    make_pair_loss,
    make_pair_trainer,
    pair_scorer,
)
from homing.training.job import TrainingJob
from homing.training.merging import Merge
from homing.training.mining import describe_mined, mine_for
from homing.training.models import quiet_libraries
from homing.training.negatives import Mined
from homing.training.pairs import PairCollator, Row, question_rows
from homing.training.recipes.full import CHECKPOINTS, job_key
from homing.training.reranker_dev import RerankedScore
from homing.training.reranker_saving import Floor, save_reranker
from homing.training.sampling import PassageBatchSampler
from homing.types import TrainingLog, passage_input

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


def tune(job: TrainingJob) -> TrainingLog:
    """Train a cross-encoder; keep it if it beats the first stage, and the base, on dev.

    A job that was stopped goes on from its last checkpoint in `job.out`/checkpoints when it is run
    again with the same arguments.

    Raises:
        ModelNotFoundError: If the base model cannot be made a cross-encoder.
    """
    settings, examples = job.settings, job.examples()
    goes_on = is_cross_encoder(job.base_model)
    model = load_for_pairs(job.base_model, settings)
    encoder = _first_stage(job, goes_on)
    started = time.monotonic()
    mined = mine_for(job, examples, encoder, None, n=settings.reranker.pool)
    say(describe_mined(mined))
    dev = None
    if job.score_retriever is not None:
        dev = RerankedScore(job.score_retriever, encoder, settings.reranker.depth)
    floor = _floor(model, dev, goes_on)
    checkpoints = job.out / CHECKPOINTS
    best = BestWeights(checkpoints, floor.score, job_key(job, examples))
    # A head that was drawn is nothing to average with.
    merge = Merge(model, (settings.merge_weight or 1.0) if goes_on else 1.0)
    rows = question_rows(examples)
    with quiet_libraries():
        history, n_tokens = _fit(job, model, rows, _collator(job, rows, mined), best, merge, dev)
        note = save_reranker(job, model, best, merge, floor)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return TrainingLog(
        loss=[(row["step"], row["loss"]) for row in history if "loss" in row],
        dev=best.dev,
        kept=best.kept,
        best_step=best.step,
        n_pairs=len(rows),
        n_passages=len(examples),
        n_tokens=n_tokens,
        seconds=time.monotonic() - started,
        dev_seconds=dev.seconds if dev else 0.0,
        settings=asdict(settings),
        false_negative_fraction=mined.false_negative_fraction,
        note=note,
    )


def _collator(job: TrainingJob, rows: Sequence[Row], mined: Mined) -> PairCollator:
    settings = job.settings
    return PairCollator(
        rows,
        job.dataset,
        mined,
        split=job.split,
        n_negatives=settings.reranker.n_negatives,
        whole_fraction=settings.whole_fraction,
        seed=settings.seed,
        as_list=settings.reranker.loss == "listwise",
    )


def _first_stage(job: TrainingJob, goes_on: bool) -> CachedEncoder:
    """Return the encoder of the first stage; a base that reads pairs cannot be it."""
    spec = job.settings.reranker.first_stage or (None if goes_on else job.base_model)
    encoder = encoder_for(spec, max_tokens=job.settings.max_tokens, device=job.settings.device)
    return CachedEncoder(encoder, job.cache_folder)


def _floor(model: CrossEncoder, dev: RerankedScore | None, goes_on: bool) -> Floor:
    if dev is None:
        return Floor()
    return Floor(dev.first_stage(), dev(pair_scorer(model)) if goes_on else None)


def _score(model: Any, dev: RerankedScore) -> float:
    """Return the dev score of a model in training; it is left in training mode."""
    model.eval()
    try:
        return dev(pair_scorer(model))
    finally:
        model.train()


def _fit(
    job: TrainingJob,
    model: CrossEncoder,
    rows: Sequence[Row],
    collator: PairCollator,
    best: BestWeights,
    merge: Merge,
    dev: RerankedScore | None,
) -> tuple[list[dict[str, Any]], int]:
    """Run the Trainer; return its log history and about how many tokens it read."""
    settings, of_pairs = job.settings, job.settings.reranker
    lengths = _lengths(model, rows, of_pairs.max_tokens)
    sampler = PassageBatchSampler(
        lengths,
        [row.example.group for row in rows],
        batch_size=of_pairs.batch_questions,
        seed=settings.seed,
    )
    n_steps = len(sampler) * settings.n_epochs
    arguments = trainer_arguments(
        settings, best.folder, n_steps, model.device.type, SAVE_EVERY_STEPS
    )
    with progress.track("Training", n_steps) as task:
        callback = make_callback(
            task,
            clock=(collator, sampler),
            best=best,
            merge=merge,
            score_dev=dev,
            evaluate_at=evaluation_steps(n_steps, settings.evaluations),
            scored=_score,
        )
        trainer = make_pair_trainer(
            model,
            len(rows),
            collator,
            sampler,
            callback,
            arguments | {"per_device_train_batch_size": of_pairs.batch_questions},
            make_pair_loss(model, of_pairs.loss),
        )
        trainer.train(resume_from_checkpoint=best.resumable())
    n_tokens = sum(lengths) * (1 + of_pairs.n_negatives) * settings.n_epochs
    return trainer.state.log_history, n_tokens


def _lengths(model: CrossEncoder, rows: Sequence[Row], limit: int) -> list[int]:
    """Return the tokens of each question with its own passage, at most `limit`."""
    passages = [passage_input(r.example.passage.title, r.example.passage.text) for r in rows]
    questions = [row.query.text for row in rows]
    encoded = model.tokenizer(questions, passages, truncation=False, verbose=False)
    return [min(len(ids), limit) for ids in encoded["input_ids"]]
