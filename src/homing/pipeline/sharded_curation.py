"""Curation over shards: workers read the texts, the driver decides on digests and numbers.

1. Workers sketch the passages; the driver joins those that are alike into groups.
2. Workers check each question on its own; the driver finds those that repeat others, splits the
   passages, and sends each question to the side of its passage.
3. Workers write the parts of the dataset, which are put together in the order of the tables.
4. The driver audits what was written.

The files are those of curation in memory, byte for byte. Memory: of a worker some 250 MB; of the
driver some 500 bytes a passage and 150 a question, and 0.8 kB a passage in files that the system
keeps in memory as long as there is room.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from homing.curation.deciding import Decisions, decide
from homing.curation.digests import digests_of_ids
from homing.curation.duplicates import group_rows
from homing.curation.filters import Fault
from homing.curation.homes import SPLITS
from homing.curation.passage_rows import PassageRows, read_passage_rows
from homing.curation.question_shards import (
    CORPUS_PART,
    QUERIES_PART,
    STEPS,
    Dropped,
    check_questions,
    faults_in,
    gather_checked,
    plan_of,
    save_fates,
    save_groups,
    write_corpus_part,
    write_dataset_part,
)
from homing.curation.sketch_files import gather_sketches, sketch_shard
from homing.curation.splitting import MAX_DEV, MAX_TEST, split_rows
from homing.dataset.mteb import (
    CORPUS,
    QUERIES,
    corpus_schema,
    qrel_schema,
    qrels_file,
    query_schema,
    remove_others,
)
from homing.dataset.records import rejection_schema
from homing.dataset.shards import Shard, concatenate, shards_of
from homing.pipeline.curation_counts import CurationCounts, refuse_empty
from homing.pipeline.easy_questions import label_easy
from homing.pipeline.fates import LABELS, REJECTED
from homing.pipeline.filtering import Filters, FilterStep
from homing.pipeline.funnel import funnel_of, save_labels, split_step
from homing.pipeline.job import CACHE, PASSAGES, QUESTIONS, Job
from homing.pipeline.sharding import PARTS, Part, Step, put_together, run_step
from homing.pipeline.written_audit import audit_written
from homing.retrieval.array_files import save_arrays
from homing.storage import join
from homing.types import IntArray

SCRATCH = f"{CACHE}/.curate.tmp"
ROOMS = (
    *(f"pipeline/{name}" for name in ("sharded_curation", "sharding")),
    *("curation", "dataset", "words", "language", "context_phrases"),
)


def curate_in_shards(job: Job, filters: Filters, digests: Mapping[str, str]) -> CurationCounts:
    """Return the counts of the dataset that is now in the workspace, with rejections and labels.

    Args:
        filters: Those that need all texts at once are left out; see `reason_for_whole`.
        digests: Path -> SHA-256 of the passages and the questions.

    Raises:
        NothingToDoError: No question is left to train on, or to test with.
        EngineError: A worker failed; what others finished is kept.
    """
    # All that the decisions were made on is forgotten before the audit.
    n_rejected, funnel = _curate(_Tables(job, digests), filters)
    written = audit_written(job.workspace.folder, SPLITS, job.engine)
    return CurationCounts(
        written.n_passages,
        written.n_groups,
        written.n_queries,
        n_rejected,
        written.audit,
        funnel,
    )


def _curate(tables: _Tables, filters: Filters) -> tuple[int, dict[str, Any]]:
    """Return how many rejections were written, and the funnel, with the dataset and labels."""
    job = tables.job
    passages = read_passage_rows(job.path(PASSAGES))
    groups = _find_groups(tables, passages)
    asked = _find_asked(tables, passages)
    parts = _check(tables, filters)
    decisions = _decide(tables, passages, groups, asked, parts)
    for split in ("train", "test"):
        refuse_empty(decisions.homes.n_kept(split), split)
    reasons = _tell_fates(tables, decisions, parts)
    n_rejected = _write(tables, passages, groups, filters)
    easy, labels = label_easy(job, decisions, passages, groups)
    save_labels(labels, job.path(LABELS))
    steps = _steps(decisions, reasons, filters)
    n_kept = int(decisions.homes.is_kept.sum())
    return n_rejected, funnel_of(len(asked.rows), steps, n_kept, easy)


class _Tables:
    """The two tables of a job in shards, and how to run a step over one of them."""

    def __init__(self, job: Job, digests: Mapping[str, str]) -> None:
        self.job = job
        self.digests = digests
        self.places = {name: job.share(name) for name in (PASSAGES, QUESTIONS)}
        self.shards = {name: shards_of(place) for name, place in self.places.items()}

    def plan(self, name: str) -> str:
        """Return the folder with what a step tells each shard."""
        return join(self.job.shared, PARTS, "curate", f"plan-{name}")

    def run(
        self, name: str, function: Any, table: str, title: str, depends: Mapping[str, Any]
    ) -> list[Part]:
        """Return the parts of a table's shards."""
        step = Step(f"curate/{name}", function, ROOMS, depends)
        shards = self.shards[table]
        return run_step(self.job, step, shards, digest=self.digests[table], title=title)


@dataclass(frozen=True)
class _Asked:
    """What the questions are about.

    Attributes:
        rows: The row of each question's passage; one that is not in the corpus has a number of its
            own behind the last row, int64 (n,).
        strangers: The ids of these.
    """

    rows: IntArray
    strangers: Sequence[str]


def _find_groups(tables: _Tables, passages: PassageRows) -> IntArray:
    """Return for each passage the row of the one that stands for its duplicate group."""
    parts = tables.run("sketch", sketch_shard, PASSAGES, "Sketching passages", {})
    scratch = tables.job.path(SCRATCH)
    try:
        sketches = gather_sketches([part.folder for part in parts], scratch)
        return group_rows(sketches, passages.spans.order)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _find_asked(tables: _Tables, passages: PassageRows) -> _Asked:
    """Return what the questions are about, and tell each shard of them."""
    strangers: dict[str, int] = {}
    all_rows = [np.empty(0, dtype=np.int64)]
    for shard in tables.shards[QUESTIONS]:
        here = replace(shard, place=str(tables.job.path(QUESTIONS)))
        ids = (batch.column(0) for batch in here.batches(["passage_id"]))
        rows = np.concatenate([_rows_of(some, passages, strangers) for some in ids])
        save_arrays(plan_of(tables.plan("asked"), shard), {"rows": rows})
        all_rows.append(rows)
    return _Asked(np.concatenate(all_rows), list(strangers))


def _rows_of(ids: Any, passages: PassageRows, strangers: dict[str, int]) -> IntArray:
    encoded = ids.dictionary_encode()
    rows = passages.index.find(digests_of_ids([encoded.dictionary]))
    for i in np.flatnonzero(rows < 0).tolist():
        name = encoded.dictionary[i].as_py()
        rows[i] = len(passages) + strangers.setdefault(name, len(strangers))
    of_each: IntArray = rows[encoded.indices.to_numpy()]
    return of_each


def _check(tables: _Tables, filters: Filters) -> list[Part]:
    """Return what is wrong with each question by itself."""
    check = partial(
        check_questions,
        passages=tables.places[PASSAGES],
        plan=tables.plan("asked"),
        copied=filters.copied,
    )
    depends = {"passages": tables.digests[PASSAGES], "copied": filters.copied}
    return tables.run("check", check, QUESTIONS, "Checking questions", depends)


def _decide(
    tables: _Tables,
    passages: PassageRows,
    groups: IntArray,
    asked: _Asked,
    parts: Sequence[Part],
) -> Decisions:
    settings = tables.job.settings.curate
    sides = split_rows(
        passages.spans,
        groups,
        dev=(settings.dev_fraction, MAX_DEV),
        test=(settings.test_fraction, MAX_TEST),
        seed=settings.seed,
    )
    n = len(passages)
    all_groups = np.concatenate([groups, n + np.arange(len(asked.strangers))])

    def name(group: int) -> str:
        return passages.spans.name(group) if group < n else asked.strangers[group - n]

    checked = gather_checked(part.folder for part in parts)
    return decide(checked, asked.rows, all_groups[asked.rows], sides, name)


def _tell_fates(
    tables: _Tables, decisions: Decisions, parts: Sequence[Part]
) -> dict[str, dict[str, int]]:
    """Return step -> reason -> how many questions it drops; tell each shard."""
    ranks, splits = np.cumsum(decisions.is_left) - 1, decisions.splits()
    reasons: dict[str, Counter[str]] = {step: Counter() for step in STEPS}

    def dropped(shard: Shard, faults: Mapping[int, Fault]) -> Iterator[Dropped]:
        here = splits[shard.first_row : shard.first_row + shard.n_rows]
        for row in np.flatnonzero(here < 0).tolist():
            in_table = shard.first_row + row
            step, why = decisions.why(in_table, int(ranks[in_table]), faults.get(row))
            reasons[step][why[0]] += 1
            yield Dropped(row, step, *why)

    for shard, part in zip(tables.shards[QUESTIONS], parts, strict=True):
        here = splits[shard.first_row : shard.first_row + shard.n_rows]
        save_fates(here, dropped(shard, faults_in(part.folder)), tables.plan("fates"), shard)
    return {step: dict(of_step) for step, of_step in reasons.items()}


def _write(tables: _Tables, passages: PassageRows, groups: IntArray, filters: Filters) -> int:
    """Return how many rejections were written, with corpus, queries and qrels."""
    job, settings = tables.job, tables.job.settings.curate
    depends = {
        "passages": tables.digests[PASSAGES],
        "copied": filters.copied,
        "fractions": [settings.dev_fraction, settings.test_fraction],
        "seed": settings.seed,
    }
    for shard in tables.shards[PASSAGES]:
        rows = groups[shard.first_row : shard.first_row + shard.n_rows]
        save_groups(passages.ids.take(rows), tables.plan("groups"), shard)
    write_corpus = partial(write_corpus_part, plan=tables.plan("groups"))
    corpus = tables.run("corpus", write_corpus, PASSAGES, "Writing the corpus", {})
    write_questions = partial(write_dataset_part, plan=tables.plan("fates"))
    title = "Writing the dataset"
    dataset = tables.run("dataset", write_questions, QUESTIONS, title, depends)
    remove_others(job.workspace.folder, SPLITS)
    put_together(job, corpus, CORPUS_PART, CORPUS, corpus_schema())
    put_together(job, dataset, QUERIES_PART, QUERIES, query_schema())
    for split in SPLITS:
        put_together(job, dataset, split, qrels_file(split), qrel_schema())
    rejections = [part.table(step) for step in STEPS for part in dataset]
    return concatenate(rejections, job.path(REJECTED), rejection_schema())


def _steps(
    decisions: Decisions, reasons: Mapping[str, Mapping[str, int]], filters: Filters
) -> list[FilterStep]:
    """Return the filters that ran, and the split; see `filter_written`."""
    n_written = len(decisions.is_left)
    n_formed, n_left = int(decisions.passes_form.sum()), int(decisions.is_left.sum())
    has_modelled = bool((decisions.passes_form & decisions.checked.is_modelled).any())
    steps = []
    if n_written:
        steps.append(FilterStep("form", n_written, n_formed, reasons["form"]))
    if filters.copied < 1 and has_modelled:
        steps.append(FilterStep("copied", n_formed, n_left, reasons["copied"]))
    return [*steps, *split_step(n_left, int(decisions.homes.is_kept.sum()), reasons["split"])]
