"""Checkpoints that hold the weights of what is trained, as they are named in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homing.training.best import own_tensors

WEIGHTS = "state.safetensors"


class StateCheckpoints:
    """For a Trainer to inherit from first: saves the model's state and puts it back.

    The library would save a model and load it anew, which knows nothing of layers that were
    wrapped in place.
    """

    args: Any
    model: Any

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        from safetensors.torch import save_file

        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(own_tensors(self.model), str(folder / WEIGHTS))

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        load_weights(self.model, Path(checkpoint_path))


def load_weights(model: Any, checkpoint: Path) -> None:
    """Put the weights of a checkpoint into a model with the same parts."""
    from safetensors.torch import load_file

    model.load_state_dict(load_file(str(checkpoint / WEIGHTS)))
