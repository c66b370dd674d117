"""Questions to a dataset with splits that share nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from homing.curation.auditing import audit
from homing.curation.building import Asked, build_dataset
from homing.curation.duplicates import find_groups
from homing.curation.questions import match_questions, read_questions
from homing.curation.splitting import split_passages
from homing.dataset import (
    Dataset,
    load_documents,
    load_passages,
    load_questions,
    save_dataset,
    save_rejections,
)
from homing.errors import NothingToDoError
from homing.pipeline.filtering import filter_written
from homing.pipeline.job import (
    DATASET,
    DOCUMENTS,
    EMBEDDINGS,
    PASSAGES,
    QUESTIONS,
    REJECTIONS,
    Job,
    StageResult,
    inputs_of,
    plural,
    run_stage,
)
from homing.retrieval.models import find_model
from homing.types import Audit, Document, Encoder, Passage, Question, Rejection
from homing.workspace import hash_file

REJECTED = f"{REJECTIONS}/curate.parquet"


class Curated(NamedTuple):
    """A dataset, the proof that its splits share nothing, and what was left out of it."""

    dataset: Dataset
    audit: Audit
    rejections: list[Rejection]


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
        base_model: Embeds questions and passages for these two; None takes the default.
        cache_folder: Where those vectors are kept for training and evaluation.
        seed: Decides which passages fall on which side.

    Raises:
        NothingToDoError: No given question matches a passage, or none is left to train on.
        UsageError: A file of questions cannot be read.
    """
    groups = find_groups(passages)
    kept, rejections = filter_written(
        questions,
        passages,
        groups,
        round_trip=round_trip,
        copied=copied,
        near_duplicate=near_duplicate,
        encoder=lambda: _encoder(base_model, cache_folder),
    )
    asked_test, unmatched_test = _match(test_questions, documents, passages)
    asked_train, unmatched_train = _match(train_questions, documents, passages)
    sides = split_passages(
        passages,
        groups,
        dev_fraction=dev_fraction,
        test_fraction=0.0 if asked_test else test_fraction,
        seed=seed,
        held_out={qrel.passage_id for qrel in asked_test[1]} if asked_test else (),
    )
    dataset, left_out = build_dataset(
        passages, groups, kept, sides, asked_test=asked_test, asked_train=asked_train
    )
    _refuse_empty(dataset, "train")
    rejections = [*rejections, *unmatched_test, *unmatched_train, *left_out]
    return Curated(dataset, audit(dataset), rejections)


def curate_stage(job: Job) -> StageResult:
    """Make the workspace's dataset: `corpus/`, `queries/`, `qrels/`."""
    given = {
        name: path
        for name, path in (
            ("test questions", job.settings.test_questions),
            ("train questions", job.settings.train_questions),
        )
        if path
    }
    for path in given.values():
        read_questions(Path(path))
    inputs = inputs_of(job, "write", DOCUMENTS, PASSAGES, QUESTIONS)
    inputs |= {name: hash_file(Path(path)) for name, path in given.items()}
    if job.settings.write.is_language_model:
        source = find_model(job.settings.train.base_model)
        inputs["base model"] = source.sha or source.name
    return run_stage(
        job,
        "curate",
        lambda: _curate_into(job),
        describe_curated,
        inputs=inputs,
        settings=job.settings.curate.affecting_result(),
        rooms=("pipeline/curation", "pipeline/filtering", "curation", "retrieval", "dataset"),
        outputs=[*DATASET, REJECTED],
    )


def describe_curated(summary: Mapping[str, Any]) -> str:
    """Return what came out, such as "3,912 train, 410 dev, 336 test questions"."""
    n = summary["n_queries"]
    dropped = f" ({summary['n_rejected']:,} rejected)" if summary["n_rejected"] else ""
    sound = "" if summary["sound"] else ", BUT THE SPLITS SHARE TEXT"
    return f"{n['train']:,} train, {n['dev']:,} dev, {n['test']:,} test questions{dropped}{sound}"


def save_audit(found: Audit) -> list[dict[str, Any]]:
    """Return an audit as JSON-able rows."""
    return [{"splits": list(pair), "shared": dict(n)} for pair, n in found.shared.items()]


def load_audit(summary: Mapping[str, Any]) -> Audit:
    """Return the audit that the summary of curation holds."""
    return Audit({(row["splits"][0], row["splits"][1]): row["shared"] for row in summary["audit"]})


def _curate_into(job: Job) -> dict[str, Any]:
    settings = job.settings
    curated = curate(
        load_passages(job.path(PASSAGES)),
        load_questions(job.path(QUESTIONS)),
        documents=load_documents(job.path(DOCUMENTS)),
        test_questions=settings.test_questions,
        train_questions=settings.train_questions,
        base_model=settings.train.base_model,
        cache_folder=job.path(EMBEDDINGS),
        **settings.curate.model_dump(),
    )
    _refuse_empty(curated.dataset, "test")
    save_dataset(curated.dataset, job.workspace.folder)
    n_rejected = save_rejections(curated.rejections, job.path(REJECTED))
    return {
        "n_passages": curated.dataset.n_passages,
        "n_groups": len(curated.dataset.group_members()),
        "n_queries": {name: len(curated.dataset.split(name)) for name in curated.dataset.splits},
        "n_rejected": n_rejected,
        "sound": curated.audit.clean,
        "audit": save_audit(curated.audit),
    }


def _encoder(base_model: str | None, cache_folder: Path | None) -> Encoder:
    from homing.retrieval.cache import CachedEncoder
    from homing.retrieval.encoders import encoder_for

    return CachedEncoder(encoder_for(base_model), cache_folder)


def _refuse_empty(dataset: Dataset, split: str) -> None:
    """Raise `NothingToDoError` with the remedy if a split that is needed has no question."""
    remedy = {
        "train": "Add documents, let the writer write (write.writer: extractive), or give "
        "questions with --train-questions.",
        "test": "Give questions with --test-questions, or raise curate.test_fraction.",
    }[split]
    if not dataset.split(split):
        raise NothingToDoError(f"No question is left for the split {split!r}. {remedy}")


def _match(
    path: str | Path | None, documents: Sequence[Document], passages: Sequence[Passage]
) -> tuple[Asked | None, list[Rejection]]:
    """Return the questions of a file with the passages that answer them, and those without.

    Raises:
        NothingToDoError: None of them matches.
    """
    if path is None:
        return None, []
    asked = read_questions(Path(path))
    queries, qrels, rejections = match_questions(asked, documents, passages)
    if not queries:
        reasons = " ".join(rejection.detail for rejection in rejections[:2])
        raise NothingToDoError(
            f"None of the {plural(len(asked), 'question')} in {path} matches a passage. {reasons}"
        )
    return (queries, qrels), rejections
