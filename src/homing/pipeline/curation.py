"""Questions to a dataset with splits that share nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from homing.curation.auditing import audit
from homing.curation.building import build_dataset
from homing.curation.duplicates import find_groups
from homing.curation.roundtrip import key_of, too_easy
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
from homing.pipeline.fates import LABELS
from homing.pipeline.filtering import Filters, filter_written, is_modelled
from homing.pipeline.funnel import funnel_of, save_labels
from homing.pipeline.given import hash_given, match_given
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
    run_stage,
)
from homing.pipeline.judging import Judge, describe_judged, judge_in_force, open_judge
from homing.progress import say
from homing.retrieval.models import find_model
from homing.types import Audit, Document, Encoder, Passage, Question, Rejection

REJECTED = f"{REJECTIONS}/curate.parquet"
ROOMS = (
    *(f"pipeline/{name}" for name in ("curation", "filtering", "judging", "funnel", "given")),
    "curation",
    "retrieval",
    "dataset",
    *("vectors", "words"),
)


class Curated(NamedTuple):
    """A dataset, the proof that its splits share nothing, and what was left out of it."""

    dataset: Dataset
    audit: Audit
    rejections: list[Rejection]


@dataclass(frozen=True)
class Curation:
    """The same, with what the filters and the split made of the written questions.

    Attributes:
        funnel: As the summary of the stage holds it; see `funnel_of`.
        easy: Query id -> whether BM25 alone finds its passage first, of the written questions that
            came in and were searched for.
    """

    curated: Curated
    funnel: dict[str, Any]
    easy: dict[str, bool]


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


def curate_and_count(
    passages: Sequence[Passage],
    questions: Sequence[Question],
    *,
    documents: Sequence[Document],
    test_questions: str | Path | None,
    train_questions: str | Path | None,
    fractions: tuple[float, float],
    filters: Filters,
    judge: Judge | None,
    encoder: Callable[[], Encoder],
    seed: int,
) -> Curation:
    """Return the same as `curate`, with its counts.

    Args:
        fractions: Of dev and test.
        encoder: Loads the base model.
    """
    groups = find_groups(passages)
    sifted = filter_written(questions, passages, groups, filters, encoder=encoder, judge=judge)
    asked_test, unmatched_test = match_given(test_questions, documents, passages)
    asked_train, unmatched_train = match_given(train_questions, documents, passages)
    sides = split_passages(
        passages,
        groups,
        dev_fraction=fractions[0],
        test_fraction=0.0 if asked_test else fractions[1],
        seed=seed,
        held_out={qrel.passage_id for qrel in asked_test[1]} if asked_test else (),
    )
    built = build_dataset(
        passages,
        groups,
        sifted.questions,
        sides,
        asked_test=asked_test,
        asked_train=asked_train,
        more_answers=sifted.answers,
    )
    _refuse_empty(built.dataset, "train")
    of_written = [*sifted.rejections, *built.dropped]
    rejections = [*of_written, *unmatched_test, *unmatched_train, *built.not_taken]
    searched = [question for question in built.kept if key_of(question) in sifted.found]
    easy = too_easy(searched, sifted.found)
    return Curation(
        Curated(built.dataset, audit(built.dataset), rejections),
        funnel_of(questions, sifted, built, easy, has_judge=judge is not None),
        {key: key in easy.query_ids for key, _ in map(key_of, searched)},
    )


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
    return run_stage(
        job,
        "curate",
        lambda: _curate_into(job, again=retry_failed),
        describe_curated,
        inputs=inputs,
        settings=job.settings.curate.affecting_result() | judge_in_force(job.settings),
        rooms=ROOMS,
        outputs=[*DATASET, REJECTED, LABELS],
        again="--retry-failed" if retry_failed else "",
    )


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


def _curate_into(job: Job, *, again: bool) -> dict[str, Any]:
    settings = job.settings
    questions = load_questions(job.path(QUESTIONS))
    with _judge(job, questions, again=again) as judge:
        found = curate_and_count(
            load_passages(job.path(PASSAGES)),
            questions,
            documents=load_documents(job.path(DOCUMENTS)),
            test_questions=settings.test_questions,
            train_questions=settings.train_questions,
            fractions=(settings.curate.dev_fraction, settings.curate.test_fraction),
            filters=Filters(
                settings.curate.round_trip, settings.curate.copied, settings.curate.near_duplicate
            ),
            judge=judge,
            encoder=lambda: _encoder(settings.train.base_model, job.path(EMBEDDINGS)),
            seed=settings.curate.seed,
        )
        judged = {"judge": judge.summary} if judge else {}
    dataset, audited, rejections = found.curated
    _refuse_empty(dataset, "test")
    save_dataset(dataset, job.workspace.folder)
    save_labels(found.easy, job.path(LABELS))
    n_rejected = save_rejections(rejections, job.path(REJECTED))
    return {
        "n_passages": dataset.n_passages,
        "n_groups": len(dataset.group_members()),
        "n_queries": {name: len(dataset.split(name)) for name in dataset.splits},
        "n_rejected": n_rejected,
        "sound": audited.clean,
        "audit": save_audit(audited),
        "funnel": found.funnel,
        **judged,
    }


def _judge(
    job: Job, questions: Sequence[Question], *, again: bool
) -> AbstractContextManager[Judge | None]:
    """Return the job's judge, None where there is nothing that it is for."""
    if any(map(is_modelled, questions)):
        return open_judge(job, again=again)
    if job.settings.curate.judge is not None:
        say("curate: no question is a language model's, so the judge is not asked")
    return nullcontext()


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
