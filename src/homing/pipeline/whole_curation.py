"""Curation of passages and questions that are in memory, all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from homing.curation.auditing import audit
from homing.curation.building import build_dataset
from homing.curation.duplicates import find_groups
from homing.curation.roundtrip import key_of, too_easy
from homing.curation.splitting import split_passages
from homing.dataset import Dataset, save_dataset, save_rejections
from homing.pipeline.curation_counts import CurationCounts, refuse_empty
from homing.pipeline.fates import LABELS, REJECTED
from homing.pipeline.filtering import Filters, filter_written
from homing.pipeline.funnel import answers_of, funnel_of, save_labels, split_step
from homing.pipeline.given import match_given
from homing.pipeline.judging import Judge
from homing.types import Audit, Document, Encoder, Passage, Question, Rejection


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
    refuse_empty(len(built.dataset.split("train")), "train")
    of_written = [*sifted.rejections, *built.dropped]
    rejections = [*of_written, *unmatched_test, *unmatched_train, *built.not_taken]
    searched = [question for question in built.kept if key_of(question) in sifted.found]
    easy = too_easy(searched, sifted.found)
    reasons = Counter(rejection.reason for rejection in built.dropped)
    steps = [*sifted.steps, *split_step(len(sifted.questions), len(built.kept), reasons)]
    answers = answers_of(built) if judge is not None else None
    return Curation(
        Curated(built.dataset, audit(built.dataset), rejections),
        funnel_of(len(questions), steps, len(built.kept), easy, answers),
        {key: key in easy.query_ids for key, _ in map(key_of, searched)},
    )


def save_curation(found: Curation, folder: Path) -> CurationCounts:
    """Return the counts of a dataset that is now in a workspace, with rejections and labels.

    Raises:
        NothingToDoError: There is no test.
    """
    dataset, audited, rejections = found.curated
    n_queries = {name: len(dataset.split(name)) for name in dataset.splits}
    refuse_empty(n_queries["test"], "test")
    save_dataset(dataset, folder)
    save_labels(found.easy, folder / LABELS)
    n_rejected = save_rejections(rejections, folder / REJECTED)
    n_groups = len(dataset.group_members())
    return CurationCounts(
        dataset.n_passages, n_groups, n_queries, n_rejected, audited, found.funnel
    )
