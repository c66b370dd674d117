"""Where exports lie: a folder for each format, whole or not there."""

from __future__ import annotations

from pathlib import Path

from homing.deployment.formats import FORMATS
from homing.errors import UsageError
from homing.workspace import hash_file

EXPORTED = "exported"
PARITY = "parity.json"


def out_folder(source: str | Path, spec: str, out: str | Path | None) -> Path:
    """Return the folder that the formats lie in; it holds nothing else."""
    if out is None and not Path(source).expanduser().is_dir():
        raise UsageError(f"Name a folder for the exports of {spec}: --out exported")
    folder = Path(out) if out is not None else Path(source) / EXPORTED
    folder = folder.expanduser().resolve()
    if folder.is_file():
        raise UsageError(f"{folder} is a file. Choose a folder for the exports.")
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    foreign = {name for name in there if not name.startswith(".")}
    if foreign and not foreign & FORMATS.keys():
        raise UsageError(
            f"{folder} holds something else ({sorted(foreign)[0]}), so nothing was written. "
            "Choose a new folder with --out."
        )
    return folder


def check_target(folder: Path, name: str) -> None:
    """Raise `UsageError` if something else than an export lies where a format would."""
    target = folder / name
    if target.exists() and not (target / PARITY).is_file():
        raise UsageError(
            f"{target} is no export that Homing made: it has no {PARITY}. Move it away, or choose "
            "another folder with --out."
        )


def hashes(folder: Path) -> dict[str, str]:
    """Return path -> SHA-256 of every file but the parity's own."""
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != PARITY
    }


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
