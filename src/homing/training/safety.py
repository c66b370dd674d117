"""What may go wrong in the middle of training, seen in time: a loss that leaves, memory that ends.

A loss diverges when its mean over `WINDOW` batches is both `FACTOR` times the lowest such mean so
far and `MARGIN` above it: batches differ, and a loss near zero may well triple. What is not a
number is seen at once, in the loss or in the gradient, before any weight is changed.
"""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homing.dataset.tables import atomic
from homing.errors import HomingError

WINDOW = 10
FACTOR = 3.0
MARGIN = 1.0
HALVED = "halved.json"
"""In the folder of the checkpoints: that the learning rate was halved, and why."""


class TrainingDivergedError(HomingError):
    """Training diverged twice, and nothing that could be kept had been reached."""


class Diverged(Exception):
    """Training cannot go on as it is.

    Attributes:
        step: The first step that is not to be trusted, from 1.
        what: Such as "the loss is nan at step 37".
    """

    def __init__(self, step: int, what: str) -> None:
        super().__init__(what)
        self.step = step
        self.what = what


class Watch:
    """Looks at every loss and every gradient, and raises `Diverged`."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._lowest = math.inf

    def see_loss(self, step: int, loss: float) -> None:
        """Take note of the loss of a batch of a step.

        Raises:
            Diverged: It is not finite, or much above what it was.
        """
        if not math.isfinite(loss):
            raise Diverged(step, f"the loss is {loss} at step {step:,}")
        self._recent.append(loss)
        if len(self._recent) < WINDOW:
            return
        mean = sum(self._recent) / WINDOW
        if mean > max(FACTOR * self._lowest, self._lowest + MARGIN):
            before = f"after {self._lowest:.3f} at its lowest"
            first = max(1, step - WINDOW + 1)
            raise Diverged(first, f"the loss has risen to {mean:.3f} at step {step:,}, {before}")
        self._lowest = min(self._lowest, mean)

    def see_gradient(self, step: int, norm: float) -> None:
        """Take note of the length of a gradient.

        Raises:
            Diverged: It is not finite.
        """
        if not math.isfinite(norm):
            raise Diverged(step, f"the gradient is {norm} at step {step:,}")

    def state(self) -> dict[str, Any]:
        """Return what has been seen, as JSON-able values."""
        lowest = self._lowest if math.isfinite(self._lowest) else None
        return {"recent": list(self._recent), "lowest": lowest}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what had been seen."""
        self._recent = deque(state["recent"], maxlen=WINDOW)
        self._lowest = math.inf if state["lowest"] is None else state["lowest"]


@dataclass(frozen=True, slots=True)
class Halving:
    """That the learning rate was halved.

    Attributes:
        what: Why.
    """

    what: str

    @staticmethod
    def read(folder: Path) -> Halving | None:
        """Return what an unfinished job noted beside its checkpoints, None for nothing."""
        try:
            return Halving(str(json.loads((folder / HALVED).read_text(encoding="utf-8"))["what"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """Note it, so that a job that is stopped now goes on with the halved rate."""
        with atomic(folder / HALVED) as scratch:
            scratch.write_text(json.dumps({"what": self.what}), encoding="utf-8")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a device, or the machine, has no memory left."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    signs = ("out of memory", "can't allocate memory", "cannot allocate memory")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)
