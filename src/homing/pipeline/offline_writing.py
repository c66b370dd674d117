"""Passages to questions without a model, shard by shard; see `homing.writing.sharded`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from homing.dataset.records import question_schema, rejection_schema
from homing.dataset.shards import Shard
from homing.engine.base import Failure
from homing.pipeline.job import PASSAGES, QUESTIONS, Job
from homing.pipeline.sharding import PARTS, Part, Step, put_together, run_step
from homing.storage import join, write_bytes
from homing.writing import sharded
from homing.writing.extractive import ExtractiveWriter
from homing.writing.vocabulary import Vocabulary

COUNTING = "write/words"
ASKING = "write/questions"
PLAN = "write/asked"
ROOMS = (
    *("pipeline/offline_writing", "pipeline/sharding"),
    *("writing", "dataset", "words", "language"),
)


def write_offline(
    job: Job, writer: ExtractiveWriter, shards: Sequence[Shard], rejected: str
) -> dict[str, Any]:
    """Return how many questions and rejections the workspace's tables now have.

    Args:
        shards: Of the workspace's passages.
        rejected: The table of rejections, relative to the workspace.
    """
    digest = job.workspace.hashes(PASSAGES)[PASSAGES]
    counting = Step(COUNTING, sharded.count_words, ROOMS, {}, reject=_pass_over)
    counted = run_step(job, counting, shards, digest=digest, title="Counting words")
    vocabulary = sharded.merge_counts(
        [part.folder for part in counted],
        [part.summary for part in counted],
        all_words=writer.needs_rare_words,
    )
    asking = _asking(writer, vocabulary, _save_plan(job, counted, shards))
    asked = run_step(job, asking, shards, digest=digest, title="Writing questions")
    questions = question_schema("passage_id")
    return {
        "n_questions": put_together(job, asked, sharded.QUESTIONS, QUESTIONS, questions),
        "n_rejected": put_together(job, asked, sharded.REJECTIONS, rejected, rejection_schema()),
    }


def _save_plan(job: Job, counted: Sequence[Part], shards: Sequence[Shard]) -> str:
    """Save which headings are asked for before each shard; return the folder's place."""
    plan = join(job.shared, PARTS, PLAN)
    folders: dict[int, list[str]] = {shard.number: [] for shard in shards}
    for part in counted:
        folders[part.summary["shard"]].append(part.folder)
    for number, keys in zip(folders, sharded.asked_before(folders.values()), strict=True):
        write_bytes(join(plan, str(number)), keys)
    return plan


def _asking(writer: ExtractiveWriter, vocabulary: Vocabulary, plan: str) -> Step:
    return Step(
        ASKING,
        partial(sharded.write_questions, writer=writer, vocabulary=vocabulary, plan=plan),
        ROOMS,
        depends=vars(writer),
        reject=_reject,
    )


def _pass_over(shard: Shard, folder: str, failure: Failure) -> dict[str, Any]:
    return sharded.pass_over_words(shard, folder)


def _reject(shard: Shard, folder: str, failure: Failure) -> dict[str, Any]:
    return sharded.reject(shard, folder, failure.detail)
