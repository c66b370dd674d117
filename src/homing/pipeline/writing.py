"""Passages to questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from homing.dataset import load_passages, save_questions, save_rejections
from homing.pipeline.job import (
    PASSAGES,
    QUESTIONS,
    REJECTIONS,
    Job,
    StageResult,
    inputs_of,
    plural,
    run_stage,
)
from homing.progress import track
from homing.settings import WriteSettings
from homing.types import Passage, Question, Rejection
from homing.writing.extractive import ExtractiveWriter
from homing.writing.writer import Writer

REJECTED = f"{REJECTIONS}/write.parquet"


class Written(NamedTuple):
    """What a writer made of some passages."""

    questions: list[Question]
    rejections: list[Rejection]


def write(passages: Sequence[Passage], *, writer: Writer | None = None) -> Written:
    """Return questions about the passages, and the passages of which nothing could be asked.

    Args:
        writer: None takes the offline writer with its defaults, which needs no model.
    """
    rejections: list[Rejection] = []
    questions = list(_questions(writer or ExtractiveWriter(), passages, rejections))
    return Written(questions, rejections)


def write_stage(job: Job) -> StageResult:
    """Write questions about the workspace's passages into `questions/`."""
    return run_stage(
        job,
        "write",
        lambda: _write_into(job),
        describe_written,
        inputs=inputs_of(job, "ingest", PASSAGES),
        settings=job.settings.write.affecting_result(),
        rooms=("pipeline/writing", "writing", "dataset"),
        outputs=[QUESTIONS, REJECTED],
    )


def describe_written(summary: Mapping[str, Any]) -> str:
    """Return what came out, such as "1,630 passages → 4,890 questions (12 rejected)"."""
    rejected = f" ({summary['n_rejected']:,} rejected)" if summary["n_rejected"] else ""
    n_passages = plural(summary["n_passages"], "passage")
    return f"{n_passages} → {plural(summary['n_questions'], 'question')}{rejected}"


def make_writer(settings: WriteSettings) -> Writer | None:
    """Return the writer that the settings name, None for "none"."""
    if settings.writer == "none":
        return None
    return ExtractiveWriter(
        questions_per_passage=settings.questions_per_passage, seed=settings.seed
    )


def _write_into(job: Job) -> dict[str, Any]:
    passages = load_passages(job.path(PASSAGES))
    writer = make_writer(job.settings.write)
    rejections: list[Rejection] = []
    questions = _questions(writer, passages, rejections) if writer else iter(())
    n_questions = save_questions(questions, job.path(QUESTIONS))
    save_rejections(rejections, job.path(REJECTED))
    return {
        "n_passages": len(passages),
        "n_questions": n_questions,
        "n_rejected": len(rejections),
    }


def _questions(
    writer: Writer, passages: Sequence[Passage], rejections: list[Rejection]
) -> Iterator[Question]:
    """Yield the writer's questions; what it could ask nothing of is added to `rejections`."""
    seen: set[str] = set()
    with track("Writing questions", len(passages)) as task:
        for item in writer.write(passages):
            passage_id = item.passage_id if isinstance(item, Question) else item.item_id
            if passage_id not in seen:
                seen.add(passage_id)
                task.advance()
            if isinstance(item, Question):
                yield item
            else:
                rejections.append(item)
