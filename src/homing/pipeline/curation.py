"""Questions to a dataset with splits that share nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from homing.curation.auditing import audit
from homing.curation.building import Asked, build_dataset
from homing.curation.duplicates import find_groups
from homing.curation.filters import filter_questions
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
from homing.pipeline.job import (
    DATASET,
    DOCUMENTS,
    PASSAGES,
    QUESTIONS,
    REJECTIONS,
    Job,
    StageResult,
    inputs_of,
    plural,
    run_stage,
)
from homing.types import Audit, Document, Passage, Question, Rejection, passage_input, query_id
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
    round_trip: int = 0,
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
        round_trip: Keep a written question only if BM25 finds its passage among the first so many;
            0 keeps all.
        seed: Decides which passages fall on which side.

    Raises:
        NothingToDoError: No given question matches a passage, or none is left to train on.
        UsageError: A file of questions cannot be read.
    """
    groups = find_groups(passages)
    kept, rejections = filter_questions(questions, {p.id: p for p in passages})
    lost: list[Rejection] = []
    if round_trip:
        kept, lost = keep_found_again(kept, passages, groups, round_trip)
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
    rejections = [*rejections, *lost, *unmatched_test, *unmatched_train, *left_out]
    return Curated(dataset, audit(dataset), rejections)


def keep_found_again(
    questions: Sequence[Question], passages: Sequence[Passage], groups: Mapping[str, str], n: int
) -> tuple[list[Question], list[Rejection]]:
    """Return the questions for which BM25 finds their own passage, or its like, among the first n.

    The others become rejections ("not_found_again").
    """
    from homing.retrieval.bm25 import BM25Retriever
    from homing.retrieval.search import search

    retriever = BM25Retriever([passage_input(p.title, p.text) for p in passages])
    rows = [str(i) for i in range(len(questions))]
    run = search(retriever, rows, [q.text for q in questions], [p.id for p in passages], n)
    kept, rejections = [], []
    for i, question in enumerate(questions):
        own = groups.get(question.passage_id, question.passage_id)
        # Passages without any of the words score 0 and are ranked by their order alone.
        n_found = int((run.scores[i] > 0).sum())
        if any(groups.get(found, found) == own for found in run.ranked_ids(i)[:n_found]):
            kept.append(question)
            continue
        detail = f"BM25 does not find its passage among the first {n:,}."
        item_id = query_id(question.text)
        rejections.append(Rejection(item_id, "curate", "not_found_again", detail, question.text))
    return kept, rejections


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
    return run_stage(
        job,
        "curate",
        lambda: _curate_into(job),
        describe_curated,
        inputs=inputs,
        settings=job.settings.curate.affecting_result(),
        rooms=("pipeline/curation", "curation", "dataset"),
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
