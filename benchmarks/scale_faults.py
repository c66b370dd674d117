"""A machine killed in the middle of a stage: does the job end, with what bytes, at what cost.

A Ray cluster of three machines runs on this one (`ray.cluster_utils.Cluster`): a head that does no
work, and two that do. When half of the parts of the stage are done, one of the two is killed with
all that runs on it. Every attempt at a part has a folder of its own, so that the folders that were
ever there, beyond one for each part, were made twice. An attempt that was lost before it wrote
anything leaves no folder; the machine has one worker, which has one part in hand, so that one part
more is the most that can have been lost.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

N_WORKERS = 2
SHARE_DONE = 0.5
STAGES = ("ingest", "write", "curate")

RunStage = Callable[..., tuple[dict[str, Any], Any]]


def engine_flags(name: str, address: str | None = None) -> tuple[str, ...]:
    """Return the options by which a verb takes an engine with two workers."""
    wanted = {"name": name, "workers": N_WORKERS, "address": address or "null"}
    return tuple(f"--set=engine.{key}={value}" for key, value in wanted.items())


class Killer:
    """Watches the parts of a stage, and kills a machine when enough of them are done.

    Args:
        parts: The folder of the parts of all stages.
        n_parts: How many parts with results an undisturbed run has.
        kill: Ends a machine.
    """

    def __init__(self, parts: Path, n_parts: int, kill: Callable[[], None]) -> None:
        self.parts, self.n_parts, self.kill = parts, n_parts, kill
        self.attempts: set[str] = set()
        self.names: set[str] = set()
        self.n_done_when_killed: int | None = None

    def look(self) -> None:
        """Note the attempts that are there; kill once, when it is time."""
        n_done = 0
        for done_or_attempt in self.parts.glob("*/*/*/*") if self.parts.exists() else ():
            if done_or_attempt.is_dir():
                self.attempts.add(done_or_attempt.as_posix())
                self.names.add(done_or_attempt.parent.as_posix())
            elif done_or_attempt.name == "done.json":
                n_done += 1
        if self.n_done_when_killed is None and n_done >= SHARE_DONE * self.n_parts:
            self.n_done_when_killed = n_done
            self.kill()


def run_faults(
    stage: str,
    material: Path,
    work: Path,
    run_stage: RunStage,
    hashes_of: Callable[[Path], dict[str, str]],
) -> dict[str, Any]:
    """Return whether a stage survives the loss of a machine, and what was done twice."""
    calm, hurt = work / "faults-calm", work / "faults-hurt"
    for workspace in (calm, hurt):
        shutil.rmtree(workspace, ignore_errors=True)
    local = engine_flags("local")
    for before in STAGES[: STAGES.index(stage)]:
        run_stage(before, material, calm, local)
    if calm.exists():
        shutil.copytree(calm, hurt)
    watcher = Killer(calm / "cache" / "parts", 10**9, lambda: None)
    said, _ = run_stage(stage, material, calm, local, while_running=watcher.look)
    n_parts = len(watcher.names)
    row = {"stage": stage, "n_parts": n_parts, "undisturbed_s": said["seconds"]}
    row |= _disturbed(stage, material, hurt, n_parts, run_stage)
    row["same_bytes"] = hashes_of(calm) == hashes_of(hurt)
    for workspace in (calm, hurt):
        shutil.rmtree(workspace)
    return row


def _disturbed(
    stage: str, material: Path, workspace: Path, n_parts: int, run_stage: RunStage
) -> dict[str, Any]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(N_WORKERS)]
        cluster.wait_for_nodes()

        def kill() -> None:
            cluster.remove_node(nodes[0], allow_graceful=False)

        killer = Killer(workspace / "cache" / "parts", n_parts, kill)
        flags = engine_flags("ray", cluster.address)
        started = time.monotonic()
        said, _ = run_stage(
            stage,
            material,
            workspace,
            flags,
            while_running=killer.look,
        )
        killer.look()
    finally:
        cluster.shutdown()
    n_names = max(n_parts, len(killer.names))
    n_repeated = len(killer.attempts) - len(killer.names)
    return {
        "seconds": said["seconds"],
        "process_s": time.monotonic() - started,
        "killed_after_parts": killer.n_done_when_killed,
        "n_attempts": len(killer.attempts),
        "repeated_fraction": n_repeated / max(1, n_names),
        "repeated_at_most": max(n_repeated, 1) / max(1, n_names),
    }
