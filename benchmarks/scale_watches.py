"""How far a stage is, and what of it was done twice, by what it leaves in its workspace."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

DONE = "done.json"


class Watch(Protocol):
    """Looks at a stage that runs."""

    def look(self) -> int:
        """Return how many parts are done."""

    def n_whole(self, said: Mapping[str, Any]) -> int:
        """Return of how many parts an undisturbed stage is made, given what it said at its end."""

    def n_repeated(self) -> int:
        """Return how many parts were begun twice, at most."""


class PartsWatch:
    """Counts the parts of a step's tables.

    Every attempt at a part has a folder of its own, so that the folders that were ever there,
    beyond one for each part, were made twice. An attempt that was lost before it wrote anything
    leaves no folder; the machine that is killed has one worker, which has one part in hand, so that
    one part more is the most that can have been lost.
    """

    def __init__(self, workspace: Path, _: Any) -> None:
        self.parts = workspace / "cache" / "parts"
        self.attempts: set[Path] = set()
        self.done: set[Path] = set()

    def look(self) -> int:
        """Return how many parts are done, or were when they were last seen."""
        for done in self.parts.rglob(DONE) if self.parts.exists() else ():
            self.done.add(done.parent)
        for part in self.done:
            # With a suffix are files, which some steps put beside their parts.
            self.attempts |= {path for path in _inside(part) if not path.suffix}
        return len(self.done)

    def n_whole(self, said: Mapping[str, Any]) -> int:
        """Return how many parts there were."""
        return len(self.done)

    def n_repeated(self) -> int:
        """Return how many attempts there were beyond one for each part, at least one."""
        return max(1, len(self.attempts) - len(self.done))


class CallsWatch:
    """Counts what a language model's server was paid for, since the watch began."""

    def __init__(self, _: Path, server: Any) -> None:
        self.server = server
        self.before = Counter(server.paid_by_content)

    def look(self) -> int:
        """Return how many requests were answered."""
        return len(self._paid())

    def n_whole(self, said: Mapping[str, Any]) -> int:
        """Return how many different requests there were."""
        return len(self._paid())

    def n_repeated(self) -> int:
        """Return how often an answer was paid for again."""
        return sum(n - 1 for n in self._paid().values())

    def _paid(self) -> Counter[str]:
        return Counter(self.server.paid_by_content) - self.before


class CheckpointsWatch:
    """Reads the steps of a training off its checkpoints."""

    def __init__(self, workspace: Path, _: Any) -> None:
        self.workspace = workspace
        self.steps: set[int] = set()

    def look(self) -> int:
        """Return the last step that was kept."""
        kept = self.workspace.rglob("checkpoint-*/trainer_state.json")
        self.steps |= {int(path.parent.name.rpartition("-")[2]) for path in _still(kept)}
        return max(self.steps, default=0)

    def n_whole(self, said: Mapping[str, Any]) -> int:
        """Return the steps of the whole training."""
        return int(said["log"]["loss"][-1][0])

    def n_repeated(self) -> int:
        """Return the most steps between two checkpoints: so many can have been lost."""
        steps = [0, *sorted(self.steps)]
        return max(b - a for a, b in pairwise(steps))


def hashes_of(workspace: Path, outputs: Sequence[str]) -> dict[str, str]:
    """Return file -> SHA-256, of folders and of patterns relative to a workspace."""
    found = {}
    for file in _outputs(workspace, outputs):
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        found[file.relative_to(workspace).as_posix()] = digest
    return found


def differences(one: Path, other: Path, outputs: Sequence[str]) -> dict[str, str]:
    """Return file -> in what two workspaces differ there."""
    here, there = (hashes_of(workspace, outputs) for workspace in (one, other))
    names = sorted({*here, *there})
    differing = [name for name in names if here.get(name) != there.get(name)]
    return {name: _difference(one / name, other / name) for name in differing}


def _difference(one: Path, other: Path) -> str:
    if not (one.exists() and other.exists()):
        return "is missing in one"
    if one.suffix != ".safetensors":
        return "other bytes"
    from safetensors.numpy import load_file

    weights = [load_file(path) for path in (one, other)]
    most = max(float(abs(weights[0][name] - weights[1][name]).max()) for name in weights[0])
    return f"weights by at most {most:.1e}"


def _outputs(workspace: Path, outputs: Sequence[str]) -> list[Path]:
    """Return the files that the patterns find, and all files of the folders that they find."""
    found = [path for pattern in outputs for path in workspace.glob(pattern)]
    inside = (file for path in found if path.is_dir() for file in path.rglob("*"))
    return sorted(path for path in (*found, *inside) if path.is_file())


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # it has been removed, with its stage's other parts


def _still(found: Iterator[Path]) -> Iterator[Path]:
    """Yield what can be listed; a folder that goes in the meantime is no error."""
    try:
        yield from found
    except OSError:
        return
