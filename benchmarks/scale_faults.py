"""A machine killed in the middle of a stage: does the job end, with what bytes, at what cost.

A Ray cluster of three machines runs on this one (`ray.cluster_utils.Cluster`): a head that does no
work, and two that do. When half of the stage is done, one of the two is killed with all that runs
on it. What was done twice is counted by what the stage leaves behind (`scale_watches.py`). "ask" is
writing by a language model (the test server), "train" and "evaluate" have a small model of random
weights, since it is the work that counts here and not what comes of it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scale_watches import CallsWatch, CheckpointsWatch, PartsWatch, Watch, differences, hashes_of

N_WORKERS = 2
SHARE_DONE = 0.5
PREPARING = ("ingest", "write", "curate")
TABLES = ("documents", "questions", "rejections", "corpus", "queries", "qrels")
N_ASKED = 4_000
N_EMBEDDED = 90_000
"""Enough for eleven parts: a worker embeds a whole row group of the corpus, as one process does."""
N_TRAINED, EPOCHS, BATCH = 2_000, 20, 32
"""Of "train": passages, and enough steps that the fifty between two checkpoints are few."""

RunStage = Callable[..., tuple[dict[str, Any], Any]]
Run = Callable[..., dict[str, Any]]
"""Runs one verb in one workspace by the engine of some flags, and returns what it said."""


@dataclass(frozen=True)
class Fault:
    """A stage in which a machine is lost.

    Attributes:
        verb: What is run.
        before: The verbs that prepare the workspace, by the local engine.
        options: Of every verb; TINY and SERVER stand for the small model and the test server.
        outputs: Folders and patterns of what must be the same bytes, or of a training nearly.
        n_passages: Of its material: enough for ten parts.
        is_calm_on_ray: The undisturbed run is the cluster's as well.
    """

    verb: str
    before: tuple[str, ...]
    watch: Callable[[Path, Any], Watch]
    options: tuple[str, ...] = ()
    outputs: tuple[str, ...] = TABLES
    is_calm_on_ray: bool = False
    n_passages: int = 40_000


TINY, SERVER = "TINY", "SERVER"
MODEL = (f"train.base_model={TINY}", "train.recipe=full", f"train.batch_passages={BATCH}")
LONG = (f"train.epochs={EPOCHS}", f"train.max_offline_passages={N_TRAINED}")
SHORT = ("train.epochs=1", "evaluate.general=[]", "evaluate.costs=false")
ASKING = (f"write.base_url={SERVER}", "write.writer=openai:test")
FAULTS = {
    "ingest": Fault("ingest", (), PartsWatch),
    "write": Fault("write", PREPARING[:1], PartsWatch),
    "curate": Fault("curate", PREPARING[:2], PartsWatch),
    "ask": Fault("write", PREPARING[:1], CallsWatch, ASKING, TABLES[:3], n_passages=N_ASKED),
    "train": Fault(
        "train",
        PREPARING,
        CheckpointsWatch,
        (*MODEL, *LONG),
        ("model/*.safetensors",),
        is_calm_on_ray=True,
        n_passages=N_TRAINED,
    ),
    "evaluate": Fault(
        "evaluate",
        (*PREPARING, "train"),
        PartsWatch,
        (*MODEL, *SHORT),
        ("evaluation/*.parquet",),
        is_calm_on_ray=True,
        n_passages=N_EMBEDDED,
    ),
}


def engine_flags(name: str, address: str | None = None) -> tuple[str, ...]:
    """Return the options by which a verb takes an engine with two workers."""
    wanted = {"name": name, "workers": N_WORKERS, "address": address or "null"}
    return tuple(f"--set=engine.{key}={value}" for key, value in wanted.items())


def run_faults(stage: str, material: Path, work: Path, run_stage: RunStage) -> dict[str, Any]:
    """Return whether a stage survives the loss of a machine, and what was done twice."""
    fault, calm, hurt = FAULTS[stage], work / "faults-calm", work / "faults-hurt"
    for workspace in (calm, hurt):
        shutil.rmtree(workspace, ignore_errors=True)
    with ExitStack() as stack:
        server = stack.enter_context(_server()) if SERVER in "".join(fault.options) else None
        names = {SERVER: getattr(server, "url", ""), TINY: str(_tiny(work))}
        options = tuple(f"--set={_filled(option, names)}" for option in fault.options)

        def run(verb: str, workspace: Path, flags: tuple[str, ...], **more: Any) -> dict[str, Any]:
            return run_stage(verb, material, workspace, (*flags, *options), **more)[0]

        for before in fault.before:
            run(before, calm, engine_flags("local"))
        if calm.exists():
            shutil.copytree(calm, hurt)
        row: dict[str, Any] = {"stage": stage}
        row |= _calm(fault, fault.watch(calm, server), partial(run, fault.verb, calm))
        row |= _disturbed(row["n_parts"], fault.watch(hurt, server), partial(run, fault.verb, hurt))
    row["same_bytes"] = hashes_of(calm, fault.outputs) == hashes_of(hurt, fault.outputs)
    if not row["same_bytes"]:
        row["differences"] = differences(calm, hurt, fault.outputs)
    for workspace in (calm, hurt):
        shutil.rmtree(workspace)
    return row


def _calm(fault: Fault, watch: Watch, run: Run) -> dict[str, Any]:
    """Return what an undisturbed run took, and of how much work it is made."""
    with _cluster() if fault.is_calm_on_ray else nullcontext() as found:
        flags = engine_flags("ray", found[0].address) if found else engine_flags("local")
        said = run(flags, while_running=watch.look)
        watch.look()
    return {"n_parts": watch.n_whole(said), "undisturbed_s": said["seconds"]}


def _disturbed(n_parts: int, watch: Watch, run: Run) -> dict[str, Any]:
    """Return what a run took of which a machine is killed half-way, and what it did twice."""
    killed_after: list[int] = []
    with _cluster() as (cluster, nodes):

        def look() -> None:
            n_done = watch.look()
            if not killed_after and n_done >= SHARE_DONE * n_parts:
                killed_after.append(n_done)
                cluster.remove_node(nodes[0], allow_graceful=False)

        started = time.monotonic()
        said = run(engine_flags("ray", cluster.address), while_running=look)
        seconds = time.monotonic() - started
        watch.look()
    return {
        "seconds": said["seconds"],
        "process_s": seconds,
        "killed_after_parts": killed_after[0] if killed_after else None,
        "repeated_at_most": watch.n_repeated() / max(1, n_parts),
    }


@contextmanager
def _cluster() -> Iterator[tuple[Any, list[Any]]]:
    """Give a cluster and its two machines that work."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(N_WORKERS)]
        cluster.wait_for_nodes()
        yield cluster, nodes
    finally:
        cluster.shutdown()


@contextmanager
def _server() -> Iterator[Any]:
    """Give a server that speaks as OpenAI's does."""
    from homing.llm.testing import TestServer

    os.environ["OPENAI_API_KEY"] = "of-nobody"
    with TestServer(delay_s=0.1) as server:
        yield server


def _filled(option: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        option = option.replace(f"={name}", f"={value}")
    return option


def _tiny(work: Path) -> Path:
    """Return the folder of a model of two layers and random weights, made if it is not there."""
    folder = work / "tiny"
    if not folder.exists():
        from scale_tiny import make_tiny

        make_tiny(folder)
    return folder
