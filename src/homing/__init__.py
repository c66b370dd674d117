"""Homing: fine-tune an embedding model on your own documents, and learn whether it helped.

The names below are loaded when they are first used; importing `homing` loads no heavy library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "run": "homing.pipeline",
    "ingest": "homing.pipeline",
    "write": "homing.pipeline",
    "curate": "homing.pipeline",
    "train": "homing.pipeline",
    "evaluate": "homing.pipeline",
    "verdict": "homing.pipeline",
    "look_at_questions": "homing.pipeline",
    "DEFAULT_BASE_MODEL": "homing.settings",
    "Settings": "homing.settings",
    "load_settings": "homing.settings",
    "Dataset": "homing.dataset",
    "load_dataset": "homing.dataset",
    "save_dataset": "homing.dataset",
    "TrainingSettings": "homing.training.settings",
    "Document": "homing.types",
    "Passage": "homing.types",
    "Question": "homing.types",
    "Query": "homing.types",
    "Qrel": "homing.types",
    "Rejection": "homing.types",
    "Evaluation": "homing.types",
    "HomingError": "homing.errors",
}

if TYPE_CHECKING:
    from homing.dataset import Dataset, load_dataset, save_dataset
    from homing.errors import HomingError
    from homing.pipeline import (
        curate,
        evaluate,
        ingest,
        look_at_questions,
        run,
        train,
        verdict,
        write,
    )
    from homing.settings import DEFAULT_BASE_MODEL, Settings, load_settings
    from homing.training.settings import TrainingSettings
    from homing.types import Document, Evaluation, Passage, Qrel, Query, Question, Rejection

__all__ = [
    "DEFAULT_BASE_MODEL",
    "Dataset",
    "Document",
    "Evaluation",
    "HomingError",
    "Passage",
    "Qrel",
    "Query",
    "Question",
    "Rejection",
    "Settings",
    "TrainingSettings",
    "__version__",
    "curate",
    "evaluate",
    "ingest",
    "load_dataset",
    "load_settings",
    "look_at_questions",
    "run",
    "save_dataset",
    "train",
    "verdict",
    "write",
]


def __getattr__(name: str) -> Any:
    """Return a public name from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'homing' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})
