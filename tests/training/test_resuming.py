"""A job that is killed ends with the same bytes, whatever is switched on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sentence_transformers")

SCRIPT = textwrap.dedent(
    """
    import json, os, signal, sys
    sys.path[:0] = [sys.argv[5]]
    from pathlib import Path
    from test_trainer import handbook
    from homing.training.full_settings import FullSettings
    from homing.training.settings import TrainingSettings
    from homing.training.trainer import train
    import homing.training.recipes.full as full
    import homing.training.keeping as keeping
    full.SAVE_EVERY_STEPS = 4
    options = json.loads(sys.argv[4])
    dimensions = tuple(options.pop("dimensions", ()))
    if options.pop("on_disk", False):
        keeping.KeptOutputs.__init__.__kwdefaults__["memory_bytes"] = 0
    kill_at = int(sys.argv[3])
    seen = []
    def score(encoder):
        seen.append(1)
        if kill_at and len(seen) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0.1 if len(seen) == 1 else 0.2
    settings = TrainingSettings(epochs=6, learning_rate=1e-3, batch_passages=4, evaluations=3,
                                device="cpu", dimensions=dimensions, full=FullSettings(**options))
    train(handbook(), base_model=sys.argv[1], out=Path(sys.argv[2]), settings=settings,
          score_dev=score)
    """
)
OPTIONS: dict[str, dict[str, Any]] = {
    "kept outputs": {"frozen_layers": 1},
    "kept on disk": {"frozen_layers": 1, "on_disk": True, "micro_batch": 3},
    "parts": {"micro_batch": 3, "accumulate": 2},
    "everything": {
        "dimensions": [16, 8],
        "frozen_layers": 1,
        "micro_batch": 2,
        "gradient_checkpointing": True,
        "layer_decay": 0.8,
        "learn_temperature": True,
        "guide": "base",
        "directions": ["query-to-passage", "query-to-query"],
    },
}


def job(tiny_model: Path, out: Path, kill_at: int, options: dict[str, Any]) -> int:
    tests = Path(__file__).parent
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, tiny_model, out, str(kill_at), json.dumps(options), tests],
        env={**os.environ, "PYTHONPATH": str(tests.parent), "OMP_NUM_THREADS": "1"},
        check=False,
    ).returncode


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_killed_job_ends_with_the_same_bytes(
    options: dict[str, Any], tiny_model: Path, tmp_path: Path
) -> None:
    assert job(tiny_model, tmp_path / "whole", 0, options) == 0
    assert job(tiny_model, tmp_path / "killed", 3, options) == -signal.SIGKILL
    assert list((tmp_path / "killed" / "checkpoints").glob("checkpoint-*"))
    assert job(tiny_model, tmp_path / "killed", 0, options) == 0
    whole, killed = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("whole", "killed"))
    assert whole == killed
    assert whole != (tiny_model / "model.safetensors").read_bytes()
