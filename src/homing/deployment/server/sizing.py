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
from homing.types import Encoder

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
TOKENS_ON_GPU = 16_384
TOKENS_BY_ONNX = 256
"""One thread of onnxruntime is as fast with few texts as with many; padding only costs."""
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
    """Return how the runs of an encoder are made up, as it is.

    Several runs at a time need an encoder that several threads may call: one over a
    sentence-transformers model that embeds both sides alike, whose tokenizer never changes then.
    One that brings its threads, as exports do, has one run at a time, on all of them.
    """
    device = str(getattr(getattr(encoder, "model", None), "device", "cpu"))
    if not device.startswith("cpu"):
        return Batching(max_tokens=TOKENS_ON_GPU, share_tokens=TOKENS_ON_GPU // 4)
    return Batching(n_runs=cores) if _may_be_shared(encoder) else Batching()


def batching_by_onnx(cores: int) -> Batching:
    """Return how the runs of an ONNX model are made up that was loaded for one thread."""
    return Batching(max_tokens=TOKENS_BY_ONNX, share_tokens=TOKENS_BY_ONNX, n_runs=cores)


@contextmanager
def threads_for(encoder: Encoder, batching: Batching) -> Iterator[None]:
    """Let each run of a torch model have one thread and one batch while the block runs."""
    if batching.n_runs == 1 or not _may_be_shared(encoder):
        yield
        return
    import torch

    shared: Any = encoder
    before = torch.get_num_threads(), shared.batch_tokens
    torch.set_num_threads(1)
    shared.batch_tokens = batching.max_tokens
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        shared.batch_tokens = before[1]


def _may_be_shared(encoder: Encoder) -> bool:
    together = getattr(encoder, "encode_prompted", None)
    return hasattr(encoder, "towers") and together is not None and together([]) is not None


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
