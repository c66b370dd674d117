"""Training in a process of its own that is killed (`kill -9`) and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
PRELUDE = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [sys.argv[4]]
base, out, kill_at = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
seen = []


def score(_):
    seen.append(1)
    if kill_at and len(seen) == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0.1 if len(seen) == 1 else 0.2

"""
"""What a script may use: `base` and `out`, and a dev `score` that kills the process once."""


def run_job(script: str, base: Path, out: Path, kill_at: int) -> int:
    """Return the exit code of a script after the prelude; one thread, so that bytes may agree."""
    code = PRELUDE + textwrap.dedent(script)
    path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(HERE.parent)])
    return subprocess.run(
        [sys.executable, "-c", code, base, out, str(kill_at), str(HERE)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        check=False,
    ).returncode


def whole_and_killed(script: str, base: Path, folder: Path, kill_at: int = 3) -> tuple[Path, Path]:
    """Run a job undisturbed, and once killed after a checkpoint and resumed; return what each made.

    Args:
        kill_at: Which call of `score` does not return.
    """
    whole, killed = folder / "whole", folder / "killed"
    assert run_job(script, base, whole, 0) == 0
    assert run_job(script, base, killed, kill_at) == -signal.SIGKILL
    assert list((killed / "checkpoints").glob("checkpoint-*"))
    assert run_job(script, base, killed, 0) == 0
    return whole, killed
