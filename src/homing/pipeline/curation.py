"""Questions to a dataset with splits that share nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from homing.dataset import load_documents, load_passages, load_questions
from homing.pipeline.curation_counts import CurationCounts
from homing.pipeline.fates import LABELS, REJECTED
from homing.pipeline.filtering import OFFLINE_WRITER, Filters, reason_for_whole
from homing.pipeline.given import hash_given
from homing.pipeline.job import (
    DATASET,
    DOCUMENTS,
    EMBEDDINGS,
    PASSAGES,
    QUESTIONS,
    Job,
    StageResult,
    inputs_of,
    plural,
    run_stage,
)
from homing.pipeline.judging import Judge, describe_judged, judge_in_force, open_judge
from homing.pipeline.sharded_curation import curate_in_shards
from homing.pipeline.sharding import forget_parts
from homing.pipeline.whole_curation import Curated, curate_and_count, save_curation
from homing.progress import say
from homing.retrieval.models import find_model
from homing.types import Audit, Document, Encoder, Passage, Question

__all__ = [
    "Curated",
    "curate",
    "curate_stage",
    "describe_curated",
    "load_audit",
    "save_audit",
]

ROOMS = (
    *(f"pipeline/{name}" for name in ("curation", "whole_curation", "sharded_curation")),
    *(f"pipeline/{name}" for name in ("filtering", "judging", "funnel", "given")),
    *(f"pipeline/{name}" for name in ("written_audit", "easy_questions", "sharding")),
    "curation",
    "retrieval",
    "dataset",
    *("vectors", "words", "language", "context_phrases"),
)
MANY_PASSAGES = 300_000
"""From so many on, it is said when all of them have to be in memory: some 1 GB."""


def curate(
    passages: Sequence[Passage],
    questions: Sequence[Question],
    *,
    documents: Sequence[Document] = (),
    test_questions: str | Path | None = None,
    train_questions: str | Path | None = None,
    dev_fraction: float = 0.1,
    test_fraction: float = 0.2,
    round_trip: int | None = None,
    copied: float = 0.5,
    near_duplicate: float = 0.9,
    judge: Judge | None = None,
    base_model: str | None = None,
    cache_folder: Path | None = None,
    seed: int = 0,
) -> Curated:
    """Return the dataset that training and evaluation read.

    Args:
        documents: Needed to find where given questions are answered.
        test_questions: JSONL or CSV of questions that people asked: the test, alone. What answers
            them, and its near duplicates and neighbours, are kept out of train and dev.
        train_questions: The same format, to train on.
        dev_fraction: Share of the passages whose questions choose the checkpoint.
        test_fraction: Share whose questions are the test, where none are given.
        round_trip: Keep a written question only if its passage is found again among the first so
            many; 0 keeps all. None takes `ROUND_TRIP` for questions of language models, which the
            base model fused with BM25 has to find, and 0 for the offline writer's (BM25 alone).
        copied: Most of a language model's question that may stand in a row in its passage.
        near_duplicate: Cosine from which two of them are the same question.
        judge: Scores what language models wrote, and finds further answers to it; None for none.
        base_model: Embeds questions and passages for these filters; None takes the default.
        cache_folder: Where those vectors are kept for training and evaluation.
        seed: Decides which passages fall on which side.

    Raises:
        NothingToDoError: No given question matches a passage, or none is left to train on.
        UsageError: A file of questions cannot be read.
        ProviderError: The judge will answer no call at all.
    """
    return curate_and_count(
        passages,
        questions,
        documents=documents,
        test_questions=test_questions,
        train_questions=train_questions,
        fractions=(dev_fraction, test_fraction),
        filters=Filters(round_trip, copied, near_duplicate),
        judge=judge,
        encoder=lambda: _encoder(base_model, cache_folder),
        seed=seed,
    ).curated


def curate_stage(job: Job, *, retry_failed: bool = False) -> StageResult:
    """Make the workspace's dataset: `corpus/`, `queries/`, `qrels/`.

    Args:
        retry_failed: Ask a judge again about what it did not judge; what it judged is not asked
            again.
    """
    given = hash_given(job.settings)
    inputs = inputs_of(job, "write", DOCUMENTS, PASSAGES, QUESTIONS) | given
    if job.settings.write.is_language_model:
        source = find_model(job.settings.train.base_model)
        inputs["base model"] = source.sha or source.name
    result = run_stage(
        job,
        "curate",
        lambda: _curate_into(job, inputs, again=retry_failed),
        describe_curated,
        inputs=inputs,
        settings=job.settings.curate.affecting_result() | judge_in_force(job.settings),
        rooms=ROOMS,
        outputs=[*DATASET, REJECTED, LABELS],
        again="--retry-failed" if retry_failed else "",
    )
    forget_parts(job, "curate")
    return result


def describe_curated(summary: Mapping[str, Any]) -> str:
    """Return what came out, such as "3,912 train, 410 dev, 336 test questions"."""
    n = summary["n_queries"]
    dropped = f" ({summary['n_rejected']:,} rejected)" if summary["n_rejected"] else ""
    sound = "" if summary["sound"] else ", BUT THE SPLITS SHARE TEXT"
    judged = f"; {describe_judged(summary['judge'])}" if "judge" in summary else ""
    counts = f"{n['train']:,} train, {n['dev']:,} dev, {n['test']:,} test questions"
    return f"{counts}{dropped}{judged}{sound}"


def save_audit(found: Audit) -> list[dict[str, Any]]:
    """Return an audit as JSON-able rows."""
    return [{"splits": list(pair), "shared": dict(n)} for pair, n in found.shared.items()]


def load_audit(summary: Mapping[str, Any]) -> Audit:
    """Return the audit that the summary of curation holds."""
    return Audit({(row["splits"][0], row["splits"][1]): row["shared"] for row in summary["audit"]})


def _curate_into(job: Job, digests: Mapping[str, str], *, again: bool) -> dict[str, Any]:
    settings = job.settings
    filters = Filters(
        settings.curate.round_trip, settings.curate.copied, settings.curate.near_duplicate
    )
    writers = _writers(job)
    why = reason_for_whole(
        filters,
        writers,
        has_judge=settings.curate.judge is not None,
        has_given=bool(settings.test_questions or settings.train_questions),
    )
    with _judge(job, writers, again=again) as judge:
        if why:
            counts = _curate_whole(job, filters, judge, why)
        else:
            counts = curate_in_shards(job, filters, digests)
        judged = {"judge": judge.summary} if judge else {}
    return {
        "n_passages": counts.n_passages,
        "n_groups": counts.n_groups,
        "n_queries": dict(counts.n_queries),
        "n_rejected": counts.n_rejected,
        "sound": counts.audit.clean,
        "audit": save_audit(counts.audit),
        "funnel": dict(counts.funnel),
        **judged,
    }


def _curate_whole(job: Job, filters: Filters, judge: Judge | None, why: str) -> CurationCounts:
    settings = job.settings
    passages = load_passages(job.path(PASSAGES))
    if len(passages) > MANY_PASSAGES:
        n, gigabytes = plural(len(passages), "passage"), f"{len(passages) / MANY_PASSAGES:.0f} GB"
        say(f"curate: {n} have to be in memory at once for {why}, {gigabytes} or more")
    found = curate_and_count(
        passages,
        load_questions(job.path(QUESTIONS)),
        documents=load_documents(job.path(DOCUMENTS)),
        test_questions=settings.test_questions,
        train_questions=settings.train_questions,
        fractions=(settings.curate.dev_fraction, settings.curate.test_fraction),
        filters=filters,
        judge=judge,
        encoder=lambda: _encoder(settings.train.base_model, job.path(EMBEDDINGS)),
        seed=settings.curate.seed,
    )
    return save_curation(found, job.workspace.folder)


def _writers(job: Job) -> set[str]:
    """Return who wrote questions."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(job.path(QUESTIONS)) as file:
        found = [batch.column(0).unique() for batch in file.iter_batches(columns=["writer"])]
    return {writer or "" for writers in found for writer in writers.to_pylist()}


def _judge(
    job: Job, writers: Collection[str], *, again: bool
) -> AbstractContextManager[Judge | None]:
    """Return the job's judge, None where there is nothing that it is for."""
    if any(writer != OFFLINE_WRITER for writer in writers):
        return open_judge(job, again=again)
    if job.settings.curate.judge is not None:
        say("curate: no question is a language model's, so the judge is not asked")
    return nullcontext()


def _encoder(base_model: str | None, cache_folder: Path | None) -> Encoder:
    from homing.retrieval.cache import CachedEncoder
    from homing.retrieval.encoders import encoder_for

    return CachedEncoder(encoder_for(base_model), cache_folder)
