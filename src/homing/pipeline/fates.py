"""What became of each written question: the split that it went to, or why it was rejected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from homing.dataset import iter_rejections
from homing.dataset.tables import read_table
from homing.pipeline.job import QUESTIONS, REJECTIONS
from homing.types import Question, Rejection, query_id
from homing.workspace import Manifest, Workspace, hash_file

SPLITS = ("train", "dev", "test")
QUERIES = "queries/queries.parquet"
LABELS = "questions/labels.parquet"
REJECTED = f"{REJECTIONS}/curate.parquet"

Pair = tuple[str, str]
"""Query id and passage id."""


@dataclass(frozen=True, slots=True)
class SeenQuestion:
    """A question with all that is known of it, and its passage.

    Attributes:
        writer: "person" for a given question that was rejected.
        split: "" while it is in none: not curated yet, or rejected.
        too_easy: Whether BM25 alone answers it first; None while nobody has found out.
        reason: Why it was rejected, in snake_case; "" if it was not.
        title: Of the passage: its document's title and headings.
        page: On which the passage begins, or None.
        passage: The passage's text, whole; "" where a given question matched none.
    """

    question: str
    kind: str
    writer: str
    prompt: str = ""
    split: str = ""
    too_easy: bool | None = None
    reason: str = ""
    detail: str = ""
    passage_id: str = ""
    title: str = ""
    page: int | None = None
    passage: str = ""

    @classmethod
    def of(cls, question: Question, **more: Any) -> SeenQuestion:
        """Return a written question as one that is looked at; its passage is not filled in."""
        q = question
        return cls(q.text, q.kind, q.writer, q.prompt, passage_id=q.passage_id, **more)

    def as_row(self) -> dict[str, Any]:
        """Return the fields by name; files of given questions use the same names."""
        return asdict(self)


@dataclass(frozen=True)
class Fates:
    """What curation made of the written questions.

    Attributes:
        splits: Question and passage -> split.
        writers: Query id -> who wrote it.
        rejections: In the order in which the filters ran.
        easy: Ids of the questions that BM25 alone answers first.
        tested: (writer, kind) of the questions for which that was found out.
    """

    splits: Mapping[Pair, str]
    writers: Mapping[str, str]
    rejections: Sequence[Rejection]
    easy: frozenset[str] = frozenset()
    tested: frozenset[tuple[str, str]] = frozenset()

    def kept(self, written: Sequence[Question]) -> Iterator[SeenQuestion]:
        """Yield the questions that are in a split, in the order in which they were written."""
        for question, is_kept in self._told_apart(written):
            if is_kept:
                key = query_id(question.text)
                is_known = (question.writer, question.kind) in self.tested
                yield SeenQuestion.of(
                    question,
                    split=self.splits[key, question.passage_id],
                    too_easy=key in self.easy if is_known else None,
                )

    def rejected(self, written: Sequence[Question]) -> Iterator[SeenQuestion]:
        """Yield the questions that were rejected, as they were written, then the given ones."""
        waiting: dict[str, list[Rejection]] = {}
        for rejection in reversed(self.rejections):
            waiting.setdefault(rejection.item_id, []).append(rejection)
        for question, is_kept in self._told_apart(written):
            if not is_kept and (found := waiting.get(query_id(question.text))):
                rejection = found.pop()
                yield SeenQuestion.of(question, reason=rejection.reason, detail=rejection.detail)
        left = {id(rejection) for found in waiting.values() for rejection in found}
        for r in self.rejections:
            if id(r) in left:
                yield SeenQuestion(r.text, "asked", "person", reason=r.reason, detail=r.detail)

    def _told_apart(self, written: Sequence[Question]) -> Iterator[tuple[Question, bool]]:
        """Yield every question with whether it was kept: of equal ones, only the first can be."""
        seen: set[str] = set()
        for question in written:
            key = query_id(question.text)
            is_kept = (
                (key, question.passage_id) in self.splits
                and self.writers.get(key) == question.writer
                and key not in seen
            )
            if is_kept:
                seen.add(key)
            yield question, is_kept


def read_fates(workspace: Workspace) -> tuple[Fates | None, str]:
    """Return what curation made of the questions; where it has not seen them, None and a note."""
    manifest = workspace.manifest("curate")
    paths = {split: workspace.path("qrels", f"{split}.parquet") for split in SPLITS}
    if manifest is None or not all(path.is_file() for path in paths.values()):
        return None, (
            "Splits and rejections are not known before curation. "
            f"Run: homing curate {workspace.folder}"
        )
    if manifest.inputs.get(QUESTIONS) != hash_file(workspace.path(QUESTIONS)):
        return None, (
            "The questions were written anew since curation, so their splits and rejections are "
            f"not known. Run: homing curate {workspace.folder}"
        )
    splits = {
        (row["query-id"], row["corpus-id"]): split
        for split, path in paths.items()
        for row in read_table(path, ("query-id", "corpus-id"))
    }
    queries = read_table(workspace.path(QUERIES), ("_id", "writer"))
    writers = {row["_id"]: row["writer"] for row in queries}
    rejections = list(iter_rejections(workspace.path(REJECTED)))
    return Fates(splits, writers, rejections, _easy(workspace), _tested(manifest)), ""


def _easy(workspace: Workspace) -> frozenset[str]:
    """Return the ids that the table of labels calls too easy; without a column, all in it are."""
    path = workspace.path(LABELS)
    if not path.is_file():
        return frozenset()
    rows = ((row.get("_id") or row.get("query_id"), row) for row in read_table(path))
    return frozenset(key for key, row in rows if key and row.get("too_easy", True))


def _tested(manifest: Manifest) -> frozenset[tuple[str, str]]:
    """Return whose questions of which kind were searched for; empty in older workspaces."""
    funnel = manifest.summary.get("funnel") or {}
    return frozenset((row["writer"], row["kind"]) for row in funnel.get("too_easy") or ())
