"""The whole job: documents in, a tuned model and a report out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homing.pipeline.curation import curate_stage
from homing.pipeline.evaluation import evaluate_stage, further_contenders
from homing.pipeline.ingestion import ingest_stage
from homing.pipeline.job import EVALUATION, MODEL, REPORT, Job, StageResult, open_job
from homing.pipeline.reporting import report_stage
from homing.pipeline.training import refuse_reranker, train_stage
from homing.pipeline.writing import write_stage
from homing.storage import absolute, join

STAGES = {
    "ingest": ingest_stage,
    "write": write_stage,
    "curate": curate_stage,
    "train": train_stage,
    "evaluate": evaluate_stage,
    "report": report_stage,
}
"""In their order."""


@dataclass(frozen=True)
class Outcome:
    """What a job came to.

    Attributes:
        workspace: The folder that holds all of it; of a remote workspace the copy here.
        stages: By name, in their order.
        place: The same, or the URI of a remote workspace.
        verdict: Sentences and a table, for a terminal.
    """

    workspace: Path
    stages: Mapping[str, StageResult]
    place: str

    @property
    def verdict(self) -> str:
        """Who finds the right passage most often, by how much and how sure, and a table."""
        return str(self.stages["report"].summary["verdict"])

    @property
    def model(self) -> Path:
        """The model folder."""
        return self.workspace / MODEL

    @property
    def report(self) -> Path:
        """The report."""
        return self.workspace / REPORT

    @property
    def evaluation(self) -> Path:
        """The folder of runs and measurements; `load_evaluation` reads it."""
        return self.workspace / EVALUATION

    def place_of(self, relative: str) -> str:
        """Return where a file or folder of the workspace lies, a path or a URI."""
        return join(self.place, relative)

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        report = self.stages["report"].summary
        evaluated = self.stages["evaluate"].summary
        return {
            "workspace": self.place,
            "model": self.place_of(MODEL),
            "report": self.place_of(REPORT),
            "up_to_date": not any(result.ran for result in self.stages.values()),
            "kept": self.stages["train"].summary["kept"],
            **{name: report[name] for name in ("headline", "sentences", "winner", "outcome")},
            **{name: evaluated[name] for name in ("n_queries", "n_passages", "contenders")},
            "stages": {
                name: {"up_to_date": not result.ran, "seconds": result.seconds, "text": result.text}
                for name, result in self.stages.items()
            },
        }


def run_job(job: Job) -> Outcome:
    """Run every stage that is not up to date."""
    further_contenders(job.settings)  # a slip of the pen is told now, not after the training
    refuse_reranker(job.settings)
    results = {name: stage(job) for name, stage in STAGES.items()}
    return Outcome(job.workspace.folder, results, job.workspace.name)


def run(
    *sources: str | Path,
    out: str | Path,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Outcome:
    """Tune a model on documents and tell whether it helped; called again, it continues.

    Args:
        sources: Files, folders and globs, or URIs of such; none takes those that the settings
            name.
        out: The folder that holds all of the job, made if it is not there; a path or a URI.
        config: A homing.yaml; None takes the one in `out`, if there is one.
        settings: Dotted name -> value on top, such as {"train.epochs": 2}.

    Raises:
        HomingError: Settings, sources or `out` are not sound; the disk is full; nothing to read.
    """
    given = {**(settings or {}), **({"sources": [absolute(s) for s in sources]} if sources else {})}
    with open_job(out, create=True, config=config, overrides=given) as job:
        return run_job(job)
