"""A command and every process that it starts: seconds, processor time, and peaks of memory.

A process belongs to the command if it carries a mark in its environment, which children inherit,
Ray's workers included, whoever their parent is by then. Each process is told apart: the peak of
resident memory that the kernel keeps of it (VmHWM), which also counts what it shares.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MARK = "HOMING_SCALE_MARK"
POLL_S = 0.1
TICKS = os.sysconf("SC_CLK_TCK")
RAYS_OWN = (
    "gcs_server",
    "raylet",
    "dashboard",
    "log_monitor",
    "runtime_env",
    "monitor.py",
    "plasma",
)
"""In the command lines of what Ray starts for itself."""


@dataclass
class Process:
    """What was last seen of one process."""

    kind: str
    cpu_before_s: float
    peak_bytes: int = 0
    cpu_s: float = 0.0


@dataclass
class Watched:
    """What a command took.

    Attributes:
        seconds: From its start to its end.
        processes: Everything that it started and that lived long enough to be seen.
        said: What it printed.
    """

    seconds: float
    said: str
    processes: list[Process] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return seconds, and of each kind of process the largest peak and the processor's time."""
        kinds = sorted({p.kind for p in self.processes})
        peaks = {k: max(p.peak_bytes for p in self.processes if p.kind == k) / 1e6 for k in kinds}
        cpu = {k: sum(p.cpu_s for p in self.processes if p.kind == k) for k in kinds}
        return {
            "process_s": self.seconds,
            "cpu_s": sum(cpu.values()),
            "cpu_s_by_kind": {kind: round(seconds, 2) for kind, seconds in cpu.items()},
            "peak_mb": {kind: round(peak, 1) for kind, peak in peaks.items()},
            "n_processes": {k: sum(p.kind == k for p in self.processes) for k in kinds},
        }


class Failed(RuntimeError):
    """The command ended with another exit code than 0."""


def watch(
    command: Sequence[str],
    *,
    while_running: Callable[[], None] = lambda: None,
    mark: str | None = None,
) -> Watched:
    """Return what a command took.

    Args:
        while_running: Called between two looks.
        mark: That of processes which run already and count as well; None for one of its own.

    Raises:
        Failed: With the end of what it said on stderr.
    """
    mark = mark or uuid.uuid4().hex
    seen: dict[tuple[int, str], Process | None] = {}
    started = time.monotonic()
    with subprocess.Popen(
        list(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, MARK: mark},
    ) as root:
        while True:
            _look(mark, root.pid, seen)
            while_running()
            try:
                out, err = root.communicate(timeout=POLL_S)
                break
            except subprocess.TimeoutExpired:
                continue
        seconds = time.monotonic() - started
    if root.returncode:
        raise Failed(f"{' '.join(command)} ended with {root.returncode}:\n{err[-3000:]}")
    return Watched(seconds, out, [process for process in seen.values() if process])


def homing(*arguments: object, **options: Any) -> tuple[dict[str, Any], Watched]:
    """Return what a verb of Homing printed as JSON, and what it took."""
    command = [sys.executable, "-m", "homing", *map(str, arguments), "--json", "--quiet"]
    watched = watch(command, **options)
    return json.loads(watched.said), watched


def _look(mark: str, root: int, seen: dict[tuple[int, str], Process | None]) -> None:
    """Bring up to date what is known of the processes that carry the mark."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            key = (int(entry.name), stat[19])  # with its start, since numbers come again
            cpu_s = (int(stat[11]) + int(stat[12])) / TICKS
            if key not in seen:
                seen[key] = _found(entry, mark, root, cpu_s)
            process = seen[key]
            if process is not None:
                process.peak_bytes = max(process.peak_bytes, _peak(entry))
                process.cpu_s = cpu_s - process.cpu_before_s
        except (OSError, ValueError, IndexError):
            continue  # it has ended


def _found(entry: Path, mark: str, root: int, cpu_s: float) -> Process | None:
    """Return a process that carries the mark, as it is first seen."""
    if f"{MARK}={mark}".encode() not in (entry / "environ").read_bytes().split(b"\0"):
        return None
    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    if int(entry.name) == root:
        return Process("driver", 0.0)
    is_rays = any(name in line for name in RAYS_OWN)
    return Process("ray" if is_rays else "worker", cpu_s)


def _peak(entry: Path) -> int:
    for line in (entry / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
