"""How a model is run on this machine: one run on each core, each in one thread.

Runs that share all cores wait for one another at every layer; where another process takes one of
the cores they all wait for it. Runs of their own do not: on two busy cores such a server answered
several times as many questions. Cost: a single question has one core for itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from homing.deployment.server.batching import Batching
from homing.retrieval.onnx import OnnxEncoder
from homing.types import Encoder

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
TOKENS_ON_GPU = 16_384
THREADS = "OMP_NUM_THREADS"


def n_cores(quota: Path = CPU_QUOTA) -> int:
    """Return how many cores this process may use, no more than a container is allowed."""
    known = getattr(os, "sched_getaffinity", None)
    n = len(known(0)) if known else os.cpu_count() or 1
    try:
        most, period = quota.read_text(encoding="ascii").split()
        if most != "max":
            n = min(n, max(1, round(int(most) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):
        pass  # no container, or another kind of it
    return n


def batching_for(encoder: Encoder, cores: int) -> Batching:
    """Return how an encoder's runs are made up; its threads and batches are set to match.

    Several runs at a time need an encoder that several threads may call: one over ONNX, or over a
    sentence-transformers model that embeds both sides alike, whose tokenizer never changes then.
    OpenVINO, as it is compiled here, does one run after another on all cores.
    """
    device = str(getattr(getattr(encoder, "model", None), "device", "cpu"))
    if not device.startswith("cpu"):
        return Batching(max_tokens=TOKENS_ON_GPU, share_tokens=TOKENS_ON_GPU // 4)
    if isinstance(getattr(encoder, "query", encoder), OnnxEncoder):
        return Batching(n_runs=cores)
    towers: Any = getattr(encoder, "towers", None)
    together = getattr(encoder, "encode_prompted", None)
    if towers is None or together is None or together([]) is None:
        return Batching()
    import torch

    torch.set_num_threads(1)
    encoder.batch_tokens = Batching().max_tokens  # type: ignore[attr-defined]
    return Batching(n_runs=cores)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let what is loaded in the block run in one thread where it asks the environment."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before
