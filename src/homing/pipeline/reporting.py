"""An evaluation, and all that led to it, to one page and a model card."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from homing.dataset import Dataset, iter_documents, load_dataset, load_rejections
from homing.errors import UsageError
from homing.evaluation.files import load_evaluation
from homing.ingestion.files import find_files
from homing.numbers import percent, point_range, points
from homing.pipeline.breakage import with_costs
from homing.pipeline.curation import load_audit
from homing.pipeline.evaluation import BASE, OFFLINE, TUNED, with_seconds
from homing.pipeline.job import (
    DATASET,
    DOCUMENTS,
    EVALUATION,
    MODEL,
    MODEL_CARD,
    REJECTIONS,
    REPORT,
    SETTINGS_FILE,
    Job,
    StageResult,
    inputs_of,
    run_stage,
)
from homing.pipeline.training_summary import load_log
from homing.reporting.contenders import find_comparison
from homing.reporting.data import DatasetFacts, ModelFacts, ReportData, count_questions
from homing.reporting.funnel import read_funnel
from homing.reporting.model_card import render_model_card
from homing.reporting.render import render_report
from homing.reporting.terminal import summary_lines
from homing.reporting.verdict import open_report
from homing.storage import is_remote
from homing.types import Evaluation, Rejection
from homing.workspace import Manifest

STAGES_BEFORE = ("ingest", "write", "curate", "train", "evaluate")
N_NAMED = 2
"""So many sources are named in the title."""


def report_stage(job: Job) -> StageResult:
    """Write `report.html` and the model card from what the other stages left."""
    manifests = {name: _manifest(job, name) for name in STAGES_BEFORE}
    paths = [f"manifests/{name}.json" for name in STAGES_BEFORE]
    return run_stage(
        job,
        "report",
        lambda: _report_into(job, manifests),
        lambda summary: str(summary["headline"]),
        inputs=inputs_of(job, "evaluate", *paths, *DATASET, EVALUATION, REJECTIONS, DOCUMENTS),
        settings=job.settings.model_dump(mode="json"),
        rooms=("pipeline/reporting", "reporting", "numbers"),
        outputs=[REPORT, MODEL_CARD],
    )


def report_data(job: Job, manifests: Mapping[str, Manifest]) -> ReportData:
    """Return everything that the report shows, gathered from the workspace."""
    dataset = load_dataset(job.workspace.folder)
    summaries = {name: manifest.summary for name, manifest in manifests.items()}
    evaluation = _measured(job, summaries["evaluate"])
    document_paths = {d.id: d.path for d in iter_documents(job.path(DOCUMENTS))}
    # What lies elsewhere, or is read elsewhere, has no path beside the report.
    here = [place for place in job.settings.sources if not is_remote(place)]
    is_here = not is_remote(job.workspace.place)
    files = source_paths(here, job.workspace.folder) if is_here else {}
    folder = job.workspace.folder.name
    return ReportData(
        title=_title(job.settings.sources),
        created=manifests["evaluate"].started[:10],
        command=_command(folder),
        evaluation=evaluation,
        dataset=dataset_facts(dataset, len(document_paths)),
        model=ModelFacts(
            path=f"{folder}/{MODEL}",
            base_model=job.settings.train.base_model,
            **summaries["evaluate"]["model"],
        ),
        query_texts={q: dataset.queries[q].text for q in evaluation.query_ids},
        passages=dataset.corpus,
        relevant=dataset.split(evaluation.split),
        judged=judgements(dataset, evaluation.split),
        groups=dataset.groups,
        document_paths=document_paths,
        document_files={d: files[path] for d, path in document_paths.items() if path in files},
        rejections=_rejections(job),
        funnel=read_funnel(summaries["curate"]),
        audit=load_audit(summaries["curate"]),
        training=load_log(summaries["train"]),
        ablation_notes=ablation_notes(evaluation),
        settings=job.settings.model_dump(mode="json"),
        versions=manifests["train"].versions,
        machine=manifests["train"].machine,
        stage_seconds={name: manifest.seconds for name, manifest in manifests.items()},
        base_name=BASE,
        tuned_name=TUNED,
    )


def _command(folder: str) -> str:
    """Return what makes all of it again, for a shell."""
    parts = ["homing", "run", "--config", f"{folder}/{SETTINGS_FILE}", "--out", folder]
    return shlex.join(parts)


def _rejections(job: Job) -> list[Rejection]:
    return [
        rejection
        for stage in ("ingest", "write", "curate")
        for rejection in load_rejections(job.path(f"{REJECTIONS}/{stage}.parquet"))
    ]


def judgements(dataset: Dataset, split: str) -> dict[str, dict[str, int]]:
    """Return query id -> {passage id: grade} of every judgement of a split, grade 0 included."""
    judged: dict[str, dict[str, int]] = {}
    for qrel in dataset.qrels[split]:
        grades = judged.setdefault(qrel.query_id, {})
        grades[qrel.passage_id] = max(qrel.grade, grades.get(qrel.passage_id, 0))
    return judged


def source_paths(sources: Sequence[str], folder: Path) -> dict[str, str]:
    """Return each source file's name -> its path relative to the folder of the report, with `/`.

    Empty where the sources are no longer where they were, or on another drive: the report then
    names documents and links to none.
    """
    try:
        found = find_files(sources)
        start = folder.resolve()
        return {f.name: Path(os.path.relpath(f.path, start)).as_posix() for f in found}
    except (UsageError, ValueError, OSError):
        return {}


def dataset_facts(dataset: Dataset, n_documents: int) -> DatasetFacts:
    """Return how large the dataset is."""
    duplicates = [len(ids) for ids in dataset.group_members().values() if len(ids) > 1]
    queries = {
        split: [dataset.queries[q] for q in dataset.split(split)] for split in dataset.splits
    }
    return DatasetFacts(
        n_documents=n_documents,
        n_passages=dataset.n_passages,
        n_duplicate_groups=len(duplicates),
        n_duplicates=sum(duplicates),
        questions=count_questions(queries),
    )


def ablation_notes(evaluation: Evaluation) -> list[str]:
    """Return what the written questions alone bring, and the given ones on top of them."""
    if OFFLINE not in evaluation.contenders:
        return []
    notes = []
    for comparison in evaluation.comparisons:
        if comparison.name in (OFFLINE, TUNED) and comparison.measure == "hit@5":
            what = {
                OFFLINE: "Tuned on the offline writer's questions alone",
                TUNED: "Tuned on these and on the given questions",
            }[comparison.name]
            value = evaluation.contenders[comparison.name].measures["hit@5"]
            notes.append(
                f"{what}: the right passage is among the first five for {percent(value)} of the "
                f"questions, {points(comparison.difference.value)} points against the base model "
                f"(95 % interval {point_range(comparison.difference)})."
            )
    return sorted(notes, reverse=True)


def _report_into(job: Job, manifests: Mapping[str, Manifest]) -> dict[str, Any]:
    data = report_data(job, manifests)
    opening = open_report(data)
    report = job.workspace.write_text(REPORT, render_report(data))
    job.workspace.write_text(MODEL_CARD, render_model_card(data))
    comparison = find_comparison(data, TUNED, BASE, "hit@5")
    return {
        "headline": opening.headline,
        "sentences": list(opening.sentences),
        "caveats": [caveat.text for caveat in opening.caveats],
        "winner": opening.winner,
        "outcome": opening.outcome,
        "decision": opening.decision,
        "recommended": opening.recommended,
        "difference_hit@5": comparison.difference.value if comparison else None,
        "n_written": data.funnel.n_written if data.funnel else None,
        "n_kept": data.funnel.n_kept if data.funnel else None,
        "verdict": "\n".join(summary_lines(data)),
        "report": report.name,
    }


def _measured(job: Job, summary: Mapping[str, Any]) -> Evaluation:
    """Return the evaluation with the times and costs that its manifest keeps."""
    saved = load_evaluation(job.path(EVALUATION))
    timed = with_seconds(saved, summary["contender_seconds"])
    return with_costs(timed, summary.get("costs", {}))


def _manifest(job: Job, stage: str) -> Manifest:
    job.summary(stage)
    manifest = job.workspace.manifest(stage)
    assert manifest is not None
    return manifest


def _title(sources: tuple[str, ...]) -> str:
    names = list(_names(sources))
    more = len(names) - N_NAMED
    if more > 0:
        return f"{', '.join(names[:N_NAMED])} and {more:,} more"
    return " and ".join(names)


def _names(sources: tuple[str, ...]) -> Iterator[str]:
    for source in sources:
        path = Path(source)
        # A pattern is named by the folder that it looks in.
        while any(sign in path.name for sign in "*?[") and path != path.parent:
            path = path.parent
        yield path.name or str(path)
