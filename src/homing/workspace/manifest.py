"""What a stage was made from and what came out of it; the reason why it need not run again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from homing.workspace.disk import hash_file

LIBRARIES = (
    "homing", "numpy", "pyarrow", "pypdfium2", "tokenizers", "bm25s",
    "torch", "transformers", "sentence-transformers",
)  # fmt: skip
ALREADY_NAMED = 3
"""A reason names at most this many of the things that changed."""


@dataclass(frozen=True)
class Manifest:
    """The record of one run of a stage.

    Attributes:
        inputs: Name -> SHA-256 of everything that the stage read.
        settings: Every setting, seeds included, that decides what came out.
        code: SHA-256 of the source of the rooms that do the work.
        outputs: Path in the workspace -> [bytes, SHA-256].
        summary: Counts and results of the stage, for people and for `--json`.
        started: When it ran, UTC, ISO 8601.
        versions: Of Python, Homing and the libraries that were installed; neither they nor the
            machine make a stage run again.
    """

    stage: str
    inputs: Mapping[str, str]
    settings: Mapping[str, Any]
    code: str
    outputs: Mapping[str, Sequence[Any]]
    summary: Mapping[str, Any]
    started: str
    seconds: float
    versions: Mapping[str, str]
    machine: Mapping[str, str]

    def dumps(self) -> str:
        """Return the manifest as JSON text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Manifest | None:
        """Return the manifest saved at `path`, None where there is none that this version reads."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def why_again(
    old: Manifest | None,
    folder: Path,
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
    code: str,
) -> str:
    """Return why a stage has to run, for a person; "" when what it made before still holds."""
    if old is None:
        return "first run"
    if changed := _differing(old.settings, settings):
        return f"settings changed: {changed}"
    if changed := _differing(old.inputs, inputs):
        return f"changed: {changed}"
    if old.code != code:
        return "Homing itself changed"
    for path, (size, digest) in old.outputs.items():
        file = folder / path
        if not file.is_file() or file.stat().st_size != size or hash_file(file) != digest:
            return f"{path} is missing or was changed"
    return ""


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    absent = object()
    names = [n for n in {**old, **new} if old.get(n, absent) != new.get(n, absent)]
    more = len(names) - ALREADY_NAMED
    return ", ".join(names[:ALREADY_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def hash_code(*rooms: str) -> str:
    """Return a SHA-256 of the source files of some rooms, such as "ingestion" or "dataset"."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for room in rooms:
        folder = package / room
        files = sorted(folder.rglob("*")) if folder.is_dir() else [folder.with_suffix(".py")]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(file.relative_to(package).as_posix().encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Return name -> version of Python, Homing and the libraries that decide results."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def machine_facts() -> dict[str, str]:
    """Return system, processor, usable cores and memory, for people."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor_name(),
        "cores": str(n_cores),
        "memory": f"{memory:.0f} GiB",
    }


def _processor_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
