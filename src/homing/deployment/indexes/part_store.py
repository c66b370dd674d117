"""What the stores have in common that keep passages as parts in a folder of this machine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from homing.dataset.tables import atomic
from homing.deployment.indexes.base import Facts, read_facts
from homing.deployment.indexes.folders import FolderHold
from homing.deployment.indexes.locations import Location
from homing.deployment.indexes.parts import ROWS, Parts
from homing.deployment.indexes.records import Record
from homing.errors import UsageError
from homing.types import FloatArray
from homing.workspace import disk_errors

FACTS_FILE = "_homing.json"


class PartStore:
    """The facts of a folder, and how passages come into its parts."""

    batch_size = ROWS
    parts_in = ""
    """Where in the folder the parts lie."""

    def __init__(self, location: Location, *, write: bool) -> None:
        """Hold the folder while it is changed."""
        self.location = location
        self._folder = local_folder(location)
        self._hold = FolderHold(self._folder, write=write)
        self._parts = Parts(self._folder / self.parts_in)
        self._facts: Facts | None = None

    def facts(self) -> Facts | None:
        """Return what the folder says about its vectors, None where it is empty."""
        self._facts = folder_facts(self._folder)
        return self._facts

    def create(self, facts: Facts) -> None:
        """Write whose vectors these will be."""
        with disk_errors(self._folder):
            write_facts(self._folder, facts)
        self._facts = facts

    def begin(self, n_writes: int) -> None:
        """Do nothing: a folder takes any number."""

    def upsert(
        self, records: Sequence[Record], vectors: FloatArray, known: Collection[str]
    ) -> None:
        """Write a part; what is known goes from the others first, so that no id is there twice."""
        assert self._facts is not None
        with disk_errors(self._folder):
            if known:
                self._parts.remove(known)
            self._parts.add(records, vectors, self._facts)

    def close(self) -> None:
        """Let the folder go."""
        self._hold.release()


def local_folder(location: Location) -> Path:
    """Return the folder of a location, which must be on this machine.

    Raises:
        UsageError: It is a bucket.
    """
    if location.folder is None:
        raise UsageError(f"{location} is no folder on this machine, which {location.kind} needs.")
    return location.folder


def folder_facts(folder: Path) -> Facts | None:
    """Return what a folder says about the vectors in it, None where it holds nothing.

    Raises:
        UsageError: It holds something that is not ours.
    """
    file = folder / FACTS_FILE
    if file.is_file():
        return read_facts(file.read_text(encoding="utf-8"), str(folder))
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if not names:
        return None
    return read_facts(None, str(folder))


def write_facts(folder: Path, facts: Facts) -> None:
    """Write whose vectors a folder holds."""
    with atomic(folder / FACTS_FILE) as temporary:
        temporary.write_text(facts.dumps() + "\n", encoding="utf-8")
