"""The thin layer between our training and the libraries' Trainer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from homing.progress import Task
from homing.ranks import is_main
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.training.best import BestWeights
from homing.training.checkpoints import StateCheckpoints
from homing.training.job import DevScore
from homing.training.merging import Merge
from homing.training.sampling import PassageBatchSampler
from homing.training.together import from_main
from homing.types import Encoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Paged(Protocol):
    """What chooses anew in each epoch."""

    epoch: int


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


class Pace:
    """What stands beside the count of steps: loss, dev score, questions a second.

    Args:
        task: Where it is shown.
        n_asked: Counts the questions so far; None shows no rate.
    """

    def __init__(self, task: Task, n_asked: Callable[[], int] | None) -> None:
        self.task, self.n_asked = task, n_asked
        self.loss = self.dev = ""
        self._before = 0
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._started = time.monotonic()
        self._before = self.n_asked() if self.n_asked else 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the time of a block for none of training."""
        since = time.monotonic()
        yield
        self._started += time.monotonic() - since

    def show(self) -> None:
        """Show it as it is now."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = (
            f"{(self.n_asked() - self._before) / seconds:,.1f} questions/s" if self.n_asked else ""
        )
        self.task.note("  ".join(part for part in (self.loss, self.dev, rate) if part))


def evaluation_steps(n_steps: int, n_evaluations: int) -> frozenset[int]:
    """Return the steps after which dev is scored: evenly spread, the last step among them."""
    n = max(1, min(n_evaluations, n_steps))
    return frozenset(round(n_steps * (i + 1) / n) for i in range(n))


def make_callback(
    task: Task,
    *,
    clock: tuple[Paged, ...],
    best: BestWeights,
    merge: Merge,
    score_dev: Callable[[Any], float] | None,
    evaluate_at: frozenset[int],
    before_epoch: Callable[[int, Any], None] | None = None,
    scored: Callable[[Any, Any], float] | None = None,
    n_asked: Callable[[], int] | None = None,
    log: Callable[[dict[str, float]], None] | None = None,
    saved: Callable[[], None] | None = None,
) -> Any:
    """Return the callback that shows progress, scores dev and turns the epoch's page.

    `before_epoch` is given the number of each epoch and the model as it is then; `scored` is what
    shows a model to `score_dev`, None for `dev_score`; `n_asked` counts the questions of all
    batches so far; `log` is given the dev scores, to be drawn beside the losses; `saved` is called
    after each checkpoint, in the first process.
    """
    from transformers import TrainerCallback

    pace = Pace(task, n_asked)

    class Callback(TrainerCallback):  # type: ignore[misc]
        def on_epoch_begin(
            self, args: Any, state: Any, control: Any, model: Any = None, **_: Any
        ) -> None:
            for part in clock:
                part.epoch = int(state.epoch or 0)
            if before_epoch is not None:
                before_epoch(int(state.epoch or 0), model)

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            task.already(state.global_step)
            pace.begin()

        def on_step_end(
            self, args: Any, state: Any, control: Any, model: Any = None, **_: Any
        ) -> None:
            if score_dev is not None and state.global_step in evaluate_at:
                with merge.applied(model), pace.paused():
                    value = from_main(lambda: (scored or dev_score)(model, score_dev))
                    best.offer(model, state.global_step, value)
                pace.dev = f"dev nDCG@10 {value:.3f} (base {best.base_score:.3f})"
                if log is not None:
                    due = control.should_log  # which logging clears, though the loss is to come
                    log({"dev_ndcg@10": value})
                    control.should_log = due
            pace.show()
            task.advance()

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if saved is not None and is_main():
                saved()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                pace.loss = f"loss {logs['loss']:.3f}"

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
    collator: Any,
    sampler: PassageBatchSampler,
    callback: Any,
    arguments: dict[str, Any],
    loss: Any,
    steps: type[StateCheckpoints] = StateCheckpoints,
) -> Any:
    """Return sentence-transformers' Trainer over positions 0 … n_examples - 1.

    `steps` is what it inherits from first.
    """
    from datasets import Dataset as Table
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.sentence_transformer.training_args import (
        SentenceTransformerTrainingArguments,
    )
    from transformers import PrinterCallback

    class Trainer(steps, SentenceTransformerTrainer):  # type: ignore[misc, valid-type]
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
