"""The best weights so far by dev score, kept on disk, so that a stopped job does not lose them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.ranks import is_main

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

WEIGHTS, STATE = "best.safetensors", "best.json"


class BestWeights:
    """Chooses between the base and the checkpoints by dev score.

    Args:
        folder: Where the weights and the state of the choice are kept; what another job with
            other settings left there (another `key`) is removed.
        base_score: Dev score of the base model, or None to take the last weights unseen.
        key: Identifies settings and data of the job.
    """

    def __init__(self, folder: Path, base_score: float | None, key: str) -> None:
        self.folder = folder
        self.base_score = base_score
        self.key = key
        self.dev: list[tuple[int, float]] = [] if base_score is None else [(0, base_score)]
        self.step = 0
        self._score: float | None = None
        self._load()

    @property
    def kept(self) -> str:
        """ "tuned", or "base" when nothing beat the base on dev."""
        return "base" if self.base_score is not None and self.step == 0 else "tuned"

    @property
    def best_score(self) -> float:
        """Highest dev score so far: of the base, of checkpoints, of those gone back behind."""
        scores = [score for _, score in self.dev]
        return max(scores if self._score is None else [*scores, self._score], default=-math.inf)

    def offer(self, model: SentenceTransformer, step: int, score: float) -> None:
        """Record a dev score and keep the weights if it beats every earlier one."""
        from safetensors.torch import save_file

        better = score > self.best_score
        # Later steps are from before training went back; the one whose weights are kept stays.
        rows = {at: value for at, value in self.dev if at < step or at == self.step}
        if better or step != self.step:
            rows[step] = score
        self.dev = sorted(rows.items())
        if better:
            self.step, self._score = step, score
        if better and is_main():
            scratch = self.folder / f"{WEIGHTS}.partial"
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(own_tensors(model), str(scratch))
            os.replace(scratch, self.folder / WEIGHTS)
        self._store()

    def restore(self, model: SentenceTransformer) -> None:
        """Put the best weights back into `model`, where any beat the base on dev."""
        from safetensors.torch import load_file

        model.load_state_dict(load_file(str(self.folder / WEIGHTS)))

    def resumable(self) -> str | None:
        """Return the newest whole checkpoint of this job, or None."""
        whole = [path for path in self._checkpoints() if (path / "trainer_state.json").exists()]
        return str(whole[-1]) if whole else None

    def last_before(self, step: int) -> str | None:
        """Return the newest whole checkpoint of an earlier step, or None; remove all later ones."""
        for path in self._checkpoints():
            if _step_of(path) >= step:
                shutil.rmtree(path)
        return self.resumable()

    def here(self, checkpoint: str | None) -> str | None:
        """Return the path in this process's own folder of a checkpoint of the first one's."""
        return checkpoint and str(self.folder / Path(checkpoint).name)

    def _checkpoints(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*"), key=_step_of)

    def _load(self) -> None:
        state: Mapping[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            state = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
        if state.get("key") != self.key:
            if is_main():
                shutil.rmtree(self.folder, ignore_errors=True)
            self._store()
            return
        self.dev = [(int(step), float(score)) for step, score in state["dev"]]
        self.step, self._score = int(state["step"]), state["score"]

    def _store(self) -> None:
        if not is_main():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = self.folder / f"{STATE}.partial"
        state = {"key": self.key, "dev": self.dev, "step": self.step, "score": self._score}
        scratch.write_text(json.dumps(state), encoding="utf-8")
        os.replace(scratch, self.folder / STATE)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.split("-")[1])


def own_tensors(model: Any) -> dict[str, Any]:
    """Return the state with every tensor in its own memory, as safetensors needs it."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
