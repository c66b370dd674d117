"""The query tower alone, tuned against passages' vectors that stand still: no index is made anew.

The base model embeds every passage once; from then on questions alone are encoded, some twenty
tokens each, and every passage that training may see is a negative for every question (the loss of
`corpus_softmax.py`). A teacher that knows the words as well, BM25 fused with the base, says what
each question should find (`teaching.py`), for questions that nobody labelled too. What is saved is
one folder that answers `encode_query` with the tuned tower and `encode_document` with the base, bit
for bit.

Cost: the passages' vectors once; an epoch is one pass over the questions.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from homing import progress
from homing.progress import say
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.towers import Towers, join_towers, towers_of
from homing.training.arguments import SAVE_EVERY_STEPS, trainer_arguments
from homing.training.best import BestWeights
from homing.training.callbacks import TimedScore, evaluation_steps, make_callback, make_trainer
from homing.training.corpus_softmax import make_corpus_loss
from homing.training.job import DevScore, TrainingJob
from homing.training.lesson import Lesson, prepare
from homing.training.merging import Merge
from homing.training.models import load_for_training, quiet_libraries, save_model
from homing.training.questions import Asked, QuestionCollator, asked_questions
from homing.training.recipes.full import CHECKPOINTS
from homing.training.sampling import PassageBatchSampler
from homing.types import Encoder, FloatArray, TrainingLog, content_id

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def tune(job: TrainingJob) -> TrainingLog:
    """Tune the query tower; save both towers as one model, or the base if it is as good on dev.

    A job that was stopped goes on from its last checkpoint in `job.out`/checkpoints when it is run
    again with the same arguments.
    """
    settings, examples = job.settings, job.examples()
    questions = asked_questions(examples, job.unlabelled)
    if job.unlabelled:
        say(f"train: {len(questions):,} questions, those without a label among them")
    model, towers = _load(job)
    started = time.monotonic()
    base = CachedEncoder(SentenceTransformerEncoder(towers.document), job.cache_folder)
    lesson = prepare(job, towers.query, base, questions)
    score = TwoTowerScore(model, towers.query, base, job.score_dev) if job.score_dev else None
    checkpoints = job.out / CHECKPOINTS
    key = _job_key(job, questions)
    best = BestWeights(checkpoints, score() if score else None, key)
    merge = Merge(towers.query, settings.merge_weight or 1.0)
    with quiet_libraries():
        history = _fit(job, towers.query, lesson, best, merge, score)
        if best.kept == "base":
            model = load_for_training(job.base_model, settings)
        elif best.step:
            best.restore(towers.query)
        else:
            merge.apply(towers.query)
        save_model(model, job.out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return TrainingLog(
        loss=[(row["step"], row["loss"]) for row in history if "loss" in row],
        dev=best.dev,
        kept=best.kept,
        best_step=best.step,
        n_pairs=examples.n_pairs,
        n_passages=len(examples),
        n_tokens=sum(lesson.lengths) * settings.n_epochs,
        seconds=time.monotonic() - started,
        dev_seconds=score.timed.seconds if score else 0.0,
        settings=asdict(settings),
        index_stays=True,
    )


class TwoTowers:
    """An `Encoder` whose query tower is in training, and whose passages were embedded before."""

    def __init__(self, model: SentenceTransformer, base: Encoder) -> None:
        self._queries = SentenceTransformerEncoder(model)
        self._base = base
        self.key, self.passage_key = self._queries.key, self._queries.passage_key
        self.dimensions = base.dimensions

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return the tuned tower's unit vectors, float32 (n, `dimensions`)."""
        return self._queries.encode_queries(texts)

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return the base's unit vectors, float32 (n, `dimensions`)."""
        return self._base.encode_passages(texts)


class TwoTowerScore:
    """The dev score of a model whose query tower is in training."""

    def __init__(
        self, model: SentenceTransformer, tower: SentenceTransformer, base: Encoder, score: DevScore
    ) -> None:
        self.model, self.tower, self.base = model, tower, base
        self.timed = TimedScore(score)

    def __call__(self, _: Encoder | None = None) -> float:
        """Return the score of both towers as they are now, whatever encoder is offered."""
        value = self.timed(TwoTowers(self.model, self.base))
        # What encodes puts the modules into evaluation mode; the tower itself still knows its own.
        self.tower.train(self.tower.training)
        return value


def _load(job: TrainingJob) -> tuple[SentenceTransformer, Towers]:
    """Return the base with a tower for questions of its own, and the two towers."""
    model = load_for_training(job.base_model, job.settings)
    if towers_of(model) is None:
        model = join_towers(load_for_training(job.base_model, job.settings), model)
    towers = towers_of(model)
    assert towers is not None
    for parameter in towers.document.parameters():
        parameter.requires_grad_(False)
    return model, towers


def _job_key(job: TrainingJob, questions: Sequence[Asked]) -> str:
    """Return what a checkpoint must agree in before a job may go on from it."""
    asked = [f"{question.text}/{' '.join(question.answers)}" for question in questions]
    settings = json.dumps(asdict(job.settings), sort_keys=True)
    return content_id(job.base_model, settings, *job.dataset.passage_ids(), *asked)


def _fit(
    job: TrainingJob,
    tower: SentenceTransformer,
    lesson: Lesson,
    best: BestWeights,
    merge: Merge,
    score_dev: TwoTowerScore | None,
) -> list[dict[str, Any]]:
    """Run the Trainer; return its log history."""
    settings = job.settings
    collator = QuestionCollator(lesson.texts, tower)
    sampler = PassageBatchSampler(
        lesson.lengths,
        [str(number) for number in range(len(lesson.texts))],
        batch_size=settings.query.batch_questions,
        seed=settings.seed,
    )
    n_steps = len(sampler) * settings.n_epochs
    arguments = trainer_arguments(
        settings, best.folder, n_steps, tower.device.type, SAVE_EVERY_STEPS
    )
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
            tower,
            len(lesson.texts),
            collator,
            sampler,
            callback,
            arguments | {"per_device_train_batch_size": settings.query.batch_questions},
            make_corpus_loss(tower, lesson.vectors, lesson.targets, settings.temperature),
        )
        trainer.train(resume_from_checkpoint=best.resumable())
    history: list[dict[str, Any]] = trainer.state.log_history
    return history
