"""Passages to questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from homing.dataset import save_questions, save_rejections
from homing.dataset.shards import shards_of
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
from homing.pipeline.llm_writing import write_with_language_model, writing_inputs
from homing.pipeline.offline_writing import write_offline
from homing.pipeline.sharding import forget_parts
from homing.progress import track
from homing.settings.writing import NO_WRITER, WriteSettings
from homing.types import Passage, Question, Rejection
from homing.workspace import hash_file
from homing.writing.extractive import ExtractiveWriter
from homing.writing.writer import Writer

REJECTED = f"{REJECTIONS}/write.parquet"
OFFLINE_QUESTIONS = 4
ROOMS = (
    "pipeline/writing",
    "pipeline/llm_writing",
    "pipeline/llm_sharded",
    "pipeline/llm_writers",
    "pipeline/stretch_writing",
    "pipeline/stretches",
    "pipeline/offline_writing",
    "pipeline/sharding",
    "writing",
    "dataset",
    *("words", "language", "context_phrases"),
)


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


def write_stage(job: Job, *, retry_failed: bool = False) -> StageResult:
    """Write questions about the workspace's passages into `questions/`.

    Args:
        retry_failed: Ask a language model again about passages that it answered in vain; what it
            answered is not asked again.
    """
    result = run_stage(
        job,
        "write",
        lambda: _write_into(job, again=retry_failed),
        describe_written,
        inputs={
            **inputs_of(job, "ingest", PASSAGES),
            **writing_inputs(job.settings.write, hash_file),
        },
        settings=job.settings.write.affecting_result(),
        rooms=ROOMS,
        outputs=[QUESTIONS, REJECTED],
        again="--retry-failed" if retry_failed else "",
    )
    forget_parts(job, "write")
    return result


def describe_written(summary: Mapping[str, Any]) -> str:
    """Return what came out, such as "1,630 passages → 4,890 questions (12 rejected)"."""
    rejected = f" ({summary['n_rejected']:,} rejected)" if summary["n_rejected"] else ""
    n_passages = plural(summary["n_passages"], "passage")
    text = f"{n_passages} → {plural(summary['n_questions'], 'question')}{rejected}"
    if "n_calls" not in summary:
        return text
    price = summary["price_usd"]
    text += f", {plural(summary['n_calls'], 'call')}"
    text += f" at ${price:,.2f}" if price else ""
    text += f", {summary['n_found']:,} paid for before" if summary["n_found"] else ""
    if summary["n_not_asked"]:
        why = " (the budget is used up)" if summary["stopped_by_budget"] else ""
        text += f"; {plural(summary['n_not_asked'], 'passage')} not asked about{why}"
    return text


def offline_writer(settings: WriteSettings) -> ExtractiveWriter:
    """Return the writer that needs no model, as the settings want it."""
    n = settings.questions_per_passage or OFFLINE_QUESTIONS
    return ExtractiveWriter(questions_per_passage=n, seed=settings.seed)


def _write_into(job: Job, *, again: bool) -> dict[str, Any]:
    settings = job.settings.write
    if settings.is_language_model:
        return write_with_language_model(job, rejected=REJECTED, again=again)
    shards = shards_of(job.share(PASSAGES))
    n_passages = sum(shard.n_rows for shard in shards)
    if settings.writer == NO_WRITER:
        save_questions((), job.path(QUESTIONS))
        save_rejections((), job.path(REJECTED))
        return {"n_passages": n_passages, "n_questions": 0, "n_rejected": 0}
    counts = write_offline(job, offline_writer(settings), shards, REJECTED)
    return {"n_passages": n_passages, **counts}


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
