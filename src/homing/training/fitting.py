"""The training of an encoder's weights from the first step to the last, also when it diverges.

Where the loss or a gradient is no number, or the loss rises far above what it was, training goes
back to the last checkpoint from before that and on at half the learning rate. The second time it
ends, with the best that was reached.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing import progress
from homing.dataset.row_files import Numbers
from homing.progress import say
from homing.ranks import is_main, n_ranks, rank
from homing.training.arguments import n_steps_of, weights_arguments
from homing.training.best import BestWeights
from homing.training.callbacks import (
    TimedScore,
    dev_score,
    evaluation_steps,
    make_callback,
    make_trainer,
)
from homing.training.checkpoints import load_weights
from homing.training.collating import PassageCollator
from homing.training.contrast import make_loss, prefixes
from homing.training.examples import Examples
from homing.training.guide import Guide
from homing.training.job import TrainingJob
from homing.training.keeping import KeptOutputs
from homing.training.layers import freeze
from homing.training.merging import Merge
from homing.training.mining import HardNegatives
from homing.training.models import load_for_training
from homing.training.parts import Part, PartOf
from homing.training.safety import Diverged, Halving, TrainingDivergedError, Watch
from homing.training.sampling import PassageBatchSampler
from homing.training.stepping import CarefulSteps
from homing.training.together import from_main
from homing.training.tracking import tracked

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

KEPT_FOLDER = "frozen"


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training came to.

    Attributes:
        model: With the weights of the last step, or of the last good checkpoint.
        part: What of it was trained.
        history: The Trainer's own log.
        notes: What did not go as planned, in sentences.
    """

    model: SentenceTransformer
    part: Part
    history: list[dict[str, Any]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fitting:
    """All that the attempts of one training share.

    Attributes:
        lengths: Tokens of each example's passage.
        part_of: Makes the part that is trained.
        save_every: Steps between two checkpoints, which lie in `best.folder`.
    """

    job: TrainingJob
    examples: Examples
    lengths: Numbers
    part_of: PartOf
    best: BestWeights
    merge: Merge
    hard: HardNegatives | None
    guide: Guide | None
    score_dev: TimedScore | None
    save_every: int

    def run(self, model: SentenceTransformer, part: Part) -> Fitted:
        """Return the model after training.

        Args:
            model: With the base's weights; `part` of it is trained.

        Raises:
            TrainingDivergedError: Training diverged twice and nothing can be kept.
        """
        folder = self.best.folder
        halving = Halving.read(folder)
        notes = () if halving is None else (self._halved_note(halving),)
        while True:
            try:
                history = self._attempt(model, 1.0 if halving is None else 0.5)
                return Fitted(model, part, history, notes)
            except Diverged as error:
                # Its traceback would keep the model alive beside the next one.
                diverged = error.with_traceback(None)
            last = from_main(partial(self.best.last_before, diverged.step))
            checkpoint = self.best.here(last)
            model, part = self._anew()
            if halving is not None:
                return self._stopped(model, part, checkpoint, (*notes, f"again {diverged.what}"))
            halving = Halving(diverged.what)
            if is_main():
                halving.write(folder)
            notes = (self._halved_note(halving),)
            say(f"train: {notes[0]}; {_from(checkpoint)}")

    def _attempt(self, model: SentenceTransformer, rate_factor: float) -> list[dict[str, Any]]:
        """Run the Trainer; return its log history."""
        settings = self.job.settings
        kept = self._frozen(model)
        if settings.full.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        collator, sampler = self._batches(model)
        n_steps = n_steps_of(len(sampler), settings)
        loss = make_loss(
            model, settings, dimensions=prefixes(model, settings.dimensions), lower=kept
        )
        arguments = weights_arguments(
            model,
            settings,
            self.best.folder,
            n_steps,
            save_every=self.save_every,
            rate_factor=rate_factor,
        )
        log: list[Any] = []
        with (
            progress.track("Training", n_steps) as task,
            tracked(self.job, self.best.key) as tracking,
        ):
            callback = make_callback(
                task,
                clock=(collator, sampler),
                best=self.best,
                merge=self.merge,
                score_dev=self.score_dev,
                evaluate_at=evaluation_steps(n_steps, settings.evaluations),
                before_epoch=self._mine if self.hard else None,
                n_asked=lambda: loss.n_questions,
                log=(lambda row: log[0](row)) if settings.track else None,
                saved=self.job.saved,
            )
            trainer = make_trainer(
                model,
                len(self.examples),
                collator,
                sampler,
                callback,
                arguments | tracking,
                loss,
                CarefulSteps,
            )
            log.append(trainer.log)
            trainer.watch, trainer.micro_batch = Watch(), settings.full.micro_batch
            trainer.train(resume_from_checkpoint=self.best.here(from_main(self.best.resumable)))
        history: list[dict[str, Any]] = trainer.state.log_history
        return history

    def _batches(self, model: SentenceTransformer) -> tuple[PassageCollator, PassageBatchSampler]:
        settings = self.job.settings
        collator = PassageCollator(
            self.examples,
            model,
            n_questions=settings.questions_per_passage,
            whole_fraction=settings.whole_fraction,
            seed=settings.seed,
            hard=self.hard,
            guide=self.guide,
            share=(rank(), n_ranks()),
        )
        sampler = PassageBatchSampler(
            self.lengths,
            self.examples.groups(),
            batch_size=settings.batch_passages * self.job.n_batches_in_step,
            seed=settings.seed,
        )
        return collator, sampler

    def _frozen(self, model: SentenceTransformer) -> KeptOutputs | None:
        """Freeze what is to be frozen; return what keeps its outputs, where that pays."""
        settings = self.job.settings
        n = settings.full.frozen_layers
        if not n:
            return None
        stack = freeze(model, n)
        if settings.n_epochs == 1:
            return None
        kept = KeptOutputs(model, stack, n, self.best.folder / f"{KEPT_FOLDER}-{rank()}")
        texts = [example.passage.text for example in self.examples[:2]]
        return kept if kept.works([*texts, "?"]) else None

    def _mine(self, epoch: int, model: SentenceTransformer) -> None:
        hard = self.hard
        assert hard is not None

        def mined() -> tuple[Any, dict[int, float]]:
            hard.mine(epoch, model)
            return hard.mined, hard.fractions

        hard.mined, hard.fractions = from_main(mined)

    def _anew(self) -> tuple[SentenceTransformer, Part]:
        model = load_for_training(self.job.base_model, self.job.settings)
        return model, self.part_of(model, self.job.settings)

    def _stopped(
        self, model: SentenceTransformer, part: Part, checkpoint: str | None, notes: tuple[str, ...]
    ) -> Fitted:
        """Return the best that was reached when training diverged for the second time."""
        history: list[dict[str, Any]] = []
        if checkpoint is not None:
            state = json.loads((Path(checkpoint) / "trainer_state.json").read_text("utf-8"))
            history = state["log_history"]
            load_weights(model, Path(checkpoint))
            if self.score_dev is not None:
                score = self.score_dev
                with self.merge.applied(model):
                    value = from_main(lambda: dev_score(model, score))
                    self.best.offer(model, int(state["global_step"]), value)
        elif self.best.base_score is None:
            raise TrainingDivergedError(
                f"Training diverged twice ({'; '.join(notes)}), before the first checkpoint. Lower "
                "the learning rate with --lr."
            )
        note = f"training was ended there, and {_what_is_kept(self.best, checkpoint)} is kept"
        say(f"train: {notes[-1]}; {note}")
        return Fitted(model, part, history, (*notes[:-1], f"{notes[-1]}; {note}"))

    def _halved_note(self, halving: Halving) -> str:
        half = self.job.settings.peak_rate / 2
        return f"{halving.what}, so the learning rate was halved to {half:g}"


def _from(checkpoint: str | None) -> str:
    if checkpoint is None:
        return "once more from the start"
    return f"going on from step {int(checkpoint.rsplit('-', 1)[1]):,}"


def _what_is_kept(best: BestWeights, checkpoint: str | None) -> str:
    if best.kept == "base":
        return "the base model"
    step = best.step or (int(checkpoint.rsplit("-", 1)[1]) if checkpoint else 0)
    return f"the model of step {step:,}"


def forget(folder: Path) -> None:
    """Remove what an unfinished job needed; the first process alone does so."""
    if is_main():
        shutil.rmtree(folder, ignore_errors=True)
