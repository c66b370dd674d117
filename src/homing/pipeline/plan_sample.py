"""Some of the documents that a plan is for: enough to measure by, few enough for seconds."""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from homing.errors import NothingToDoError
from homing.evaluation.general.docstrings import read_docstrings
from homing.ingestion.files import SourceFile, find_files
from homing.storage import local_copy

MAX_FILES = 400
MAX_BYTES = 1_500_000
"""Of text; some 2,000 to 4,000 passages."""
PACKED = {".pdf": 20, ".docx": 5, ".epub": 3, ".html": 2, ".htm": 2}
"""Suffix -> how many bytes of such a file hold one byte of text, by rule of thumb."""
SMALL_SHARE = 0.06
"""Of the sample, for the run that tells what a stage takes whatever the number of passages."""
SEED = 20_261


@dataclass(frozen=True)
class Sample:
    """Files that were copied to where they can be read again and again.

    Attributes:
        small: A folder with some of them.
        whole: A folder with all of them.
        n_bytes: Of the files of `whole`.
        all_bytes: Of all files that the sources name; None for documents that come with Homing.
        said: What they are, in words.
    """

    small: Path
    whole: Path
    n_bytes: int
    all_bytes: int | None
    said: str


def take_sample(sources: Sequence[str], folder: Path) -> Sample:
    """Return some of the files that the sources name, copied below a folder.

    Raises:
        UsageError: A source does not exist.
        NothingToDoError: The sources hold no file.
    """
    found = find_files(sources)
    if not found:
        raise NothingToDoError(f"There is no file in {', '.join(sources)} to plan by.")
    chosen = _choose(found)
    (folder / "whole").mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(chosen):
        with local_copy(file.place) as path:
            shutil.copyfile(path, folder / "whole" / f"{number:04d}{Path(file.name).suffix}")
    said = f"{len(chosen):,} of your {len(found):,} files"
    n_bytes, all_bytes = (sum(file.size() for file in files) for files in (chosen, found))
    return _with_small(folder, n_bytes, all_bytes, said)


def bundled_sample(folder: Path) -> Sample:
    """Return the documentation of this Python, one file a module, below a folder."""
    modules: dict[str, list[str]] = defaultdict(list)
    for found in read_docstrings():
        module = found.name.partition(".")[0]
        modules[module].append(f"## {found.name}\n\n{found.text}\n")
    n_bytes = 0
    for module, parts in sorted(modules.items()):
        path = folder / "whole" / f"{module}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {module}\n\n" + "\n".join(parts), encoding="utf-8")
        n_bytes += path.stat().st_size
    return _with_small(folder, n_bytes, None, "the documentation of this Python")


def _choose(found: Sequence[SourceFile]) -> list[SourceFile]:
    """Return files drawn at random until their text is enough, by name."""
    order = random.Random(SEED).sample(range(len(found)), len(found))
    chosen: list[SourceFile] = []
    n_text = 0.0
    for position in order[:MAX_FILES]:
        file = found[position]
        n_text += file.size() / PACKED.get(Path(file.name).suffix.lower(), 1)
        chosen.append(file)
        if n_text >= MAX_BYTES:
            break
    return sorted(chosen, key=lambda file: file.name)


def _with_small(folder: Path, n_bytes: int, all_bytes: int | None, said: str) -> Sample:
    """Return the sample, some of its files copied into a folder of their own."""
    small, whole = folder / "small", folder / "whole"
    small.mkdir(parents=True, exist_ok=True)
    n_small = 0
    for path in sorted(whole.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
        if n_small and n_small >= SMALL_SHARE * n_bytes and len(list(small.iterdir())) > 1:
            break
        shutil.copyfile(path, small / path.name)
        n_small += path.stat().st_size
    return Sample(small, whole, n_bytes, all_bytes, said)
