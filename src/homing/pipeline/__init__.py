"""The whole story: stages composed, each running only when it must.

Each stage has two doors: a function on plain values (`ingest`, `write`, `curate`, `train`,
`evaluate`), and one on a workspace (`STAGES`), which reads what the stage before has saved. The
names below are loaded when they are first used: a worker imports what its part needs, no more.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from homing.pipeline.comparing import Compared, compare
    from homing.pipeline.conclusion import verdict
    from homing.pipeline.curation import Curated, curate
    from homing.pipeline.dataset_evaluation import Evaluated, evaluate_dataset
    from homing.pipeline.dataset_training import train_dataset
    from homing.pipeline.evaluation import evaluate
    from homing.pipeline.export_results import Export, Exported
    from homing.pipeline.exporting import export_model
    from homing.pipeline.fates import SeenQuestion
    from homing.pipeline.indexing import Indexed, index
    from homing.pipeline.ingestion import Ingested, ingest
    from homing.pipeline.job import Job, StageResult, open_job
    from homing.pipeline.looking import Looked, look_at_questions
    from homing.pipeline.running import STAGES, Outcome, run, run_job
    from homing.pipeline.searching import Finding, Searched, search_dataset
    from homing.pipeline.store_searching import search_store
    from homing.pipeline.training import train
    from homing.pipeline.writing import Written, write

_HOMES = {
    "Compared": "comparing",
    "compare": "comparing",
    "verdict": "conclusion",
    "Curated": "curation",
    "curate": "curation",
    "Evaluated": "dataset_evaluation",
    "evaluate_dataset": "dataset_evaluation",
    "evaluate": "evaluation",
    "Export": "export_results",
    "Exported": "export_results",
    "export_model": "exporting",
    "SeenQuestion": "fates",
    "Indexed": "indexing",
    "index": "indexing",
    "Ingested": "ingestion",
    "ingest": "ingestion",
    "Job": "job",
    "StageResult": "job",
    "open_job": "job",
    "Looked": "looking",
    "look_at_questions": "looking",
    "STAGES": "running",
    "Outcome": "running",
    "run": "running",
    "run_job": "running",
    "Finding": "searching",
    "Searched": "searching",
    "search_dataset": "searching",
    "search_store": "store_searching",
    "train": "training",
    "train_dataset": "dataset_training",
    "Written": "writing",
    "write": "writing",
}

__all__ = [
    "STAGES",
    "Compared",
    "Curated",
    "Evaluated",
    "Export",
    "Exported",
    "Finding",
    "Indexed",
    "Ingested",
    "Job",
    "Looked",
    "Outcome",
    "Searched",
    "SeenQuestion",
    "StageResult",
    "Written",
    "compare",
    "curate",
    "evaluate",
    "evaluate_dataset",
    "export_model",
    "index",
    "ingest",
    "look_at_questions",
    "open_job",
    "run",
    "run_job",
    "search_dataset",
    "search_store",
    "train",
    "train_dataset",
    "verdict",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
