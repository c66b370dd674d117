"""A look at the written questions, each beside the passage that it was written about.

Nothing is locked or changed, so that one may look while a job runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from pathlib import Path
from typing import Any

from homing.dataset import iter_passages, load_questions
from homing.errors import NothingToDoError, UsageError
from homing.pipeline.copies import on_copies
from homing.pipeline.fates import SPLITS, SeenQuestion, read_fates
from homing.pipeline.job import PASSAGES, QUESTIONS
from homing.types import content_id
from homing.workspace import Workspace

SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Looked:
    """Some of the written questions, and how many there are.

    Attributes:
        questions: Those that were drawn, kind by kind (rejected ones by reason), or all in the
            order in which they were written.
        n_written: All that the writer wrote.
        n_rejected: How many of these and of the given ones were rejected; None before curation.
        counts: Kind (of rejected ones: reason) -> how many there were to draw from, the most
            numerous first.
        note: Why splits and rejections are not known, and what to do; "" when they are.
    """

    workspace: Path
    questions: Sequence[SeenQuestion]
    n_written: int
    n_rejected: int | None
    counts: Mapping[str, int]
    note: str = ""

    @property
    def n_matching(self) -> int:
        """Return how many questions there were to draw from."""
        return sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        return {
            "workspace": str(self.workspace),
            "n_written": self.n_written,
            "n_rejected": self.n_rejected,
            "n_matching": self.n_matching,
            "counts": dict(self.counts),
            "note": self.note,
            "questions": [question.as_row() for question in self.questions],
        }


@on_copies(write=False)
def look_at_questions(
    workspace: str | Path,
    *,
    sample: int = SAMPLE,
    split: str | None = None,
    kind: str | None = None,
    rejected: bool = False,
    seed: int = 0,
) -> Looked:
    """Return a sample of a workspace's written questions: those kept, before curation all.

    Args:
        sample: How many, drawn evenly over the kinds, or over the reasons of rejected ones; 0
            returns all, in the order in which they were written.
        split: Only the questions of "train", "dev" or "test"; needs a curated workspace.
        kind: Only the questions that were made in this way, such as "heading".
        rejected: Those that were rejected, in place of those that were kept.
        seed: Equal seeds draw equal questions.

    Raises:
        UsageError: There is no workspace, or no question of that kind; or curation has not run
            and splits or rejections are asked for.
        NothingToDoError: Nothing was written.
    """
    _refuse_contradictions(sample, split, rejected)
    space = Workspace(workspace, create=False)
    _refuse_unwritten(space)
    written = load_questions(space.path(QUESTIONS))
    if not written:
        raise NothingToDoError(
            f"No question was written in {space.folder}. Choose another writer, or give it more "
            f"passages: homing write {space.folder} --writer extractive"
        )
    fates, note = read_fates(space)
    if note and (split or rejected):
        raise UsageError(note)
    if fates is None:
        seen = [SeenQuestion.of(question) for question in written]
    else:
        seen = list(fates.rejected(written) if rejected else fates.kept(written))
    _refuse_unknown_kind(kind, seen)
    seen = [q for q in seen if split in (None, q.split) and kind in (None, q.kind)]
    group_of: Callable[[SeenQuestion], str] = _reason if rejected else _kind
    drawn = draw_evenly(seen, sample, seed=seed, group_of=group_of) if sample else seen
    return Looked(
        workspace=space.folder,
        questions=_with_passages(space.path(PASSAGES), drawn),
        n_written=len(written),
        n_rejected=len(fates.rejections) if fates else None,
        counts=_counts(seen, group_of),
        note=note,
    )


def draw_evenly(
    questions: Sequence[SeenQuestion],
    n: int,
    *,
    seed: int,
    group_of: Callable[[SeenQuestion], str],
) -> list[SeenQuestion]:
    """Return `n` of the questions, or all there are, group by group, the largest group first.

    A question is drawn by a hash of seed, text and passage, so that others coming or going change
    little else.
    """
    groups: dict[str, list[SeenQuestion]] = {}
    for question in questions:
        groups.setdefault(group_of(question), []).append(question)
    shares = even_shares(_counts(questions, group_of), n)
    return [
        question
        for group, share in shares.items()
        for question in nsmallest(
            share, groups[group], lambda q: content_id(str(seed), q.question, q.passage_id)
        )
    ]


def even_shares(sizes: Mapping[str, int], n: int) -> dict[str, int]:
    """Return how many to draw from each group: the same number, as far as their sizes allow.

    What cannot be shared evenly goes to the groups that come first.

    Args:
        sizes: Group -> how many there are.
        n: How many to draw from all of them.
    """
    shares = dict.fromkeys(sizes, 0)
    left = min(n, sum(sizes.values()))
    while left:
        unfilled = [group for group in sizes if shares[group] < sizes[group]]
        each = max(1, left // len(unfilled))
        for group in unfilled:
            more = min(each, left, sizes[group] - shares[group])
            shares[group] += more
            left -= more
    return shares


def _kind(question: SeenQuestion) -> str:
    return question.kind


def _reason(question: SeenQuestion) -> str:
    return question.reason


def _counts(
    questions: Sequence[SeenQuestion], group_of: Callable[[SeenQuestion], str]
) -> dict[str, int]:
    counts = Counter(map(group_of, questions))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _with_passages(path: Path, questions: Sequence[SeenQuestion]) -> list[SeenQuestion]:
    """Return the questions with their passages, of which only those asked for are held."""
    wanted = {question.passage_id for question in questions}
    found = {p.id: p for p in iter_passages(path) if p.id in wanted}
    return [
        replace(question, title=p.title, page=p.page, passage=p.text)
        if (p := found.get(question.passage_id))
        else question
        for question in questions
    ]


def _refuse_contradictions(sample: int, split: str | None, rejected: bool) -> None:
    if sample < 0:
        raise UsageError(f"A sample of {sample} questions cannot be drawn; 0 takes all.")
    if split is not None and split not in SPLITS:
        raise UsageError(f"There is no split {split!r}. Choose one of: {', '.join(SPLITS)}.")
    if split and rejected:
        raise UsageError("A rejected question is in no split: ask for one or the other.")


def _refuse_unwritten(space: Workspace) -> None:
    if not Workspace.is_at(space.folder):
        raise UsageError(
            f"{space.folder} is not a workspace. "
            f"Make one with: homing run SOURCES --out {space.folder}"
        )
    if not space.path(PASSAGES).is_file():
        raise UsageError(
            f"{space.folder} holds no passages yet. "
            f"First run: homing ingest SOURCES --out {space.folder}"
        )
    if not space.path(QUESTIONS).is_file():
        raise UsageError(
            f"Nothing has been written in {space.folder} yet. First run: homing write "
            f"{space.folder}"
        )


def _refuse_unknown_kind(kind: str | None, questions: Sequence[SeenQuestion]) -> None:
    counts = _counts(questions, _kind)
    if kind is None or kind in counts or not questions:
        return
    there = ", ".join(f"{name or '(none)'} ({n:,})" for name, n in counts.items())
    raise UsageError(f"There is no question of the kind {kind!r} here. There are: {there}.")
