"""Steps of training that fit into memory and are watched: what the Trainer inherits from first."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.errors import HomingError
from homing.progress import say
from homing.ranks import n_ranks
from homing.training.caching import cached_backward
from homing.training.checkpoints import StateCheckpoints
from homing.training.contrast import LOG_TAU
from homing.training.safety import Watch, is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

STATE = "state.json"
"""In a checkpoint beside the weights: what else decides how training goes on."""


class OutOfMemoryError(HomingError):
    """Not even one passage at a time fits into memory."""


class CarefulSteps(StateCheckpoints):
    """Takes a batch in parts where memory is short, and raises `Diverged` where training leaves.

    The loss is one of `contrast.make_loss`.

    Attributes:
        watch: Looks at losses and gradients.
        micro_batch: Most passages at a time, None for all; becomes smaller when memory ends.
    """

    watch: Watch
    micro_batch: int | None
    loss: Any
    state: Any

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Return the loss of a batch, its gradients added to those of the weights.

        Where memory ends, the same is done in smaller parts. Several processes would have to agree
        on that, so there the error is raised.
        """
        before = None
        if self.args.gradient_accumulation_steps > 1:
            before = {p: p.grad.clone() for p in self.loss.parameters() if p.grad is not None}
        while True:
            try:
                loss = self._step(model, dict(inputs), num_items_in_batch)
                break
            except (RuntimeError, MemoryError) as error:
                if n_ranks() > 1 or not is_out_of_memory(error):
                    raise
            self.micro_batch = _halved(self.micro_batch, len(inputs["passage_attention_mask"]))
            _forget_step(self.loss, before)
            say(
                f"train: out of memory at step {self._step_number():,}; once more with "
                f"{self.micro_batch} passages at a time, which gives the same"
            )
        self.watch.see_loss(self._step_number(), float(loss) * self._share())
        return loss

    def get_train_dataloader(self) -> Any:
        """Return the batches; every process gets all of them, of which the collator takes its part.

        The libraries would hand out whole batches in turn, so that no process saw the others'.
        """
        if n_ranks() == 1:
            return super().get_train_dataloader()  # type: ignore[misc]
        trainer: Any = self
        size = self.args.train_batch_size
        return trainer._build_dataloader(trainer.train_dataset, size, dataset_kind="train")

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """Return what decays: all that usually does, but no temperature."""
        names = super().get_decay_parameter_names(model)  # type: ignore[misc]
        return [name for name in names if not name.endswith(LOG_TAU)]

    def _step(self, model: Any, inputs: dict[str, Any], num_items: Any) -> Tensor:
        trainer: Any = self
        n_passages = len(inputs["passage_attention_mask"])
        if self.micro_batch is None or self.micro_batch >= n_passages:
            return super().training_step(model, inputs, num_items)  # type: ignore[misc]
        model.train()
        features, labels = trainer.collect_features(trainer._prepare_inputs(inputs))
        if self.loss.model is not model:
            trainer.override_model_in_loss(self.loss, model)
        share = self._share()
        loss = cached_backward(
            self.loss,
            features,
            labels,
            self.micro_batch,
            lambda value: trainer.accelerator.backward(value / share),
        )
        return loss / share

    def _share(self) -> int:
        """Return of how many batches a step is made."""
        trainer: Any = self
        n: int = trainer.current_gradient_accumulation_steps
        return n

    def _step_number(self) -> int:
        n: int = self.state.global_step + 1
        return n

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[misc]
        self.watch.see_gradient(self._step_number(), float(norm))
        return norm

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        state = {
            "watch": self.watch.state(),
            "micro_batch": self.micro_batch,
            LOG_TAU: self.loss.log_tau.item() if hasattr(self.loss, LOG_TAU) else None,
        }
        folder = Path(output_dir or self.args.output_dir)
        (folder / STATE).write_text(json.dumps(state), encoding="utf-8")

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        super()._load_from_checkpoint(checkpoint_path)
        state = json.loads((Path(checkpoint_path) / STATE).read_text(encoding="utf-8"))
        self.watch.restore(state["watch"])
        self.micro_batch = state["micro_batch"]
        if state[LOG_TAU] is not None:
            self.loss.log_tau.data.fill_(state[LOG_TAU])

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Load them; the peak rates stay those of this job, which may have been halved since."""
        trainer: Any = self
        peaks = list(trainer.lr_scheduler.base_lrs)
        super()._load_optimizer_and_scheduler(checkpoint)  # type: ignore[misc]
        groups = trainer.optimizer.param_groups
        for group, was, peak in zip(groups, trainer.lr_scheduler.base_lrs, peaks, strict=True):
            if was != peak:
                group["lr"] *= peak / was
                group["initial_lr"] = peak
        trainer.lr_scheduler.base_lrs = peaks
        trainer.lr_scheduler._last_lr = [group["lr"] for group in groups]


def _halved(micro_batch: int | None, n_passages: int) -> int:
    """Return how many passages to take at a time next.

    Raises:
        OutOfMemoryError: There was one alone.
    """
    now = n_passages if micro_batch is None else min(micro_batch, n_passages)
    if now == 1:
        raise OutOfMemoryError(
            "There is not enough memory to train on one passage at a time. Shorten what is read "
            "with --max-tokens, set train.full.gradient_checkpointing, or take a smaller model."
        )
    return now // 2


def _forget_step(loss: Any, before: dict[Any, Tensor] | None) -> None:
    """Put the gradients back to what they were before a batch, and give its memory back."""
    import torch

    for parameter in loss.parameters():
        parameter.grad = before.get(parameter) if before else None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
