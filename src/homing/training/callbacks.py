"""The thin layer between our training and the libraries' Trainer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from homing.progress import Task
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.training.best import BestWeights
from homing.training.collating import PassageCollator
from homing.training.job import DevScore
from homing.training.merging import Merge
from homing.training.sampling import PassageBatchSampler
from homing.types import Encoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class TimedScore:
    """A dev score that adds up the seconds it takes."""

    def __init__(self, score: DevScore) -> None:
        self.score = score
        self.seconds = 0.0

    def __call__(self, encoder: Encoder) -> float:
        """Return the score of an encoder."""
        started = time.monotonic()
        try:
            return self.score(encoder)
        finally:
            self.seconds += time.monotonic() - started


def evaluation_steps(n_steps: int, n_evaluations: int) -> frozenset[int]:
    """Return the steps after which dev is scored: evenly spread, the last step among them."""
    n = max(1, min(n_evaluations, n_steps))
    return frozenset(round(n_steps * (i + 1) / n) for i in range(n))


def make_callback(
    task: Task,
    *,
    clock: tuple[PassageCollator, PassageBatchSampler],
    best: BestWeights,
    merge: Merge,
    score_dev: DevScore | None,
    evaluate_at: frozenset[int],
) -> Any:
    """Return the callback that shows progress, scores dev and turns the epoch's page."""
    from transformers import TrainerCallback

    class Callback(TrainerCallback):  # type: ignore[misc]
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            for part in clock:
                part.epoch = int(state.epoch or 0)

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            task.advance(state.global_step)

        def on_step_end(
            self, args: Any, state: Any, control: Any, model: Any = None, **_: Any
        ) -> None:
            if score_dev is not None and state.global_step in evaluate_at:
                with merge.applied(model):
                    best.offer(model, state.global_step, dev_score(model, score_dev))
                task.note(f"dev nDCG@10 {best.dev[-1][1]:.3f} (base {best.base_score:.3f})")
            task.advance()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs and not task.text.startswith("dev"):
                task.note(f"loss {logs['loss']:.3f}")

    return Callback()


def dev_score(model: SentenceTransformer, score: DevScore) -> float:
    """Return the dev score of a model in training; it is left in training mode."""
    model.eval()
    try:
        return score(SentenceTransformerEncoder(model, key="in training"))
    finally:
        model.train()


def make_trainer(
    model: SentenceTransformer,
    n_examples: int,
    collator: PassageCollator,
    sampler: PassageBatchSampler,
    callback: Any,
    arguments: dict[str, Any],
    loss: Any,
) -> Any:
    """Return sentence-transformers' Trainer over positions 0 … n_examples - 1."""
    from datasets import Dataset as Table
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.sentence_transformer.training_args import (
        SentenceTransformerTrainingArguments,
    )
    from transformers import PrinterCallback

    class Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """Leave it out: our own card is written with the report."""

        def get_batch_sampler(self, *_: Any, **__: Any) -> Any:
            return sampler

    trainer = Trainer(
        model=model,
        args=SentenceTransformerTrainingArguments(**arguments),
        train_dataset=Table.from_dict({"position": list(range(n_examples))}),
        loss=loss,
        data_collator=collator,
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
