"""General sets by name: "python-docs", "nanobeir:NFCorpus", or the path of any dataset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from homing.dataset import Dataset, load_dataset, pick_split
from homing.errors import UsageError
from homing.evaluation.general.nanobeir import load_nanobeir, nanobeir_name
from homing.evaluation.general.python_docs import load_python_docs

PYTHON_DOCS = "python-docs"
SYNTAX = (
    f"A general set is {PYTHON_DOCS}, which comes with Homing, nanobeir:NAME from the hub, such as "
    "nanobeir:NFCorpus, or the path of a dataset of your own."
)
_SHINGLE_WORDS = 8
MAX_COMPARED = 20_000
"""So many of the user's passages, evenly spread, are compared with a general set."""


@dataclass(frozen=True)
class GeneralSet:
    """Questions that are not the user's, and what answers them.

    Attributes:
        name: For people, such as "Python documentation".
        split: Whose questions are asked.
    """

    name: str
    dataset: Dataset
    split: str


def find_general_set(spec: str) -> GeneralSet:
    """Return the general set that a spec names.

    Raises:
        UsageError: If it names none, or the dataset there cannot be read.
        HomingError: If the hub cannot be reached.
    """
    if spec == PYTHON_DOCS:
        return GeneralSet("Python documentation", load_python_docs(), "test")
    name = nanobeir_name(spec)
    if name is not None:
        dataset = load_nanobeir(name)
        return GeneralSet(f"NanoBEIR {name}", dataset, pick_split(dataset, "train"))
    if not Path(spec).expanduser().exists():
        raise UsageError(f"There is no general set {spec!r}. {SYNTAX}")
    path = Path(spec).expanduser()
    dataset = load_dataset(path)
    return GeneralSet(path.resolve().name, dataset, pick_split(dataset, "test"))


def n_shared_passages(general: Dataset, own: Dataset) -> int:
    """Return how many of the user's passages say for the most part what a general set says.

    A passage does if at least half of its runs of eight words occur in the general set; shorter
    ones cannot be told. Of more than `MAX_COMPARED` passages, so many are looked at.
    """
    known = {run for passage in general.corpus.values() for run in _runs(passage.text)}
    step = max(1, -(-own.n_passages // MAX_COMPARED))
    compared = islice(own.corpus.values(), 0, None, step)
    runs_of = (list(_runs(passage.text)) for passage in compared)
    return sum(
        2 * sum(run in known for run in runs) >= len(runs) for runs in runs_of if len(runs) > 0
    )


def _runs(text: str) -> Iterable[int]:
    words = text.lower().split()
    return (
        hash(" ".join(words[i : i + _SHINGLE_WORDS]))
        for i in range(len(words) - _SHINGLE_WORDS + 1)
    )
