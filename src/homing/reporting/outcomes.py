"""Questions won and lost: where the tuned model ranks the right passage higher, and where lower.

Ranks are read from the saved runs as the evaluation reads them: a group of duplicates counts as
one passage, at the rank of its best member, and is right if any of its members is.
Cost: one pass over both runs, O(questions × 100).
"""

from __future__ import annotations

from dataclasses import dataclass

from homing.reporting.data import ReportData
from homing.types import Run

N_SHOWN = 20
N_TOP = 3
MAX_PASSAGE_LENGTH = 1200


@dataclass(frozen=True, slots=True)
class RankChange:
    """The first right passage's rank in both runs; None beyond the saved ranks.

    Attributes:
        change: Reciprocal rank of the tuned model minus the base's, in [-1, 1].
    """

    query_id: str
    base_rank: int | None
    tuned_rank: int | None

    @property
    def change(self) -> float:
        """Return the change in reciprocal rank, in [-1, 1]."""
        return _reciprocal(self.tuned_rank) - _reciprocal(self.base_rank)


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage as the report shows it.

    Attributes:
        rank: Its rank, or None where it stands only because it is right.
        mark: "right", "duplicate" (of a right one), or "".
        text: Cut at `MAX_PASSAGE_LENGTH` characters; `cut` says so.
    """

    rank: int | None
    mark: str
    title: str
    place: str
    text: str
    cut: bool


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """A question with both models' first passages.

    Attributes:
        missing: The right passages, where neither model has one among its first.
    """

    text: str
    base_rank: int | None
    tuned_rank: int | None
    base: tuple[ShownPassage, ...]
    tuned: tuple[ShownPassage, ...]
    missing: tuple[ShownPassage, ...]


@dataclass(frozen=True, slots=True)
class WonAndLost:
    """How many questions rose and fell, and those that did the most.

    Attributes:
        depth: How many ranks were saved; a rank of None lies beyond.
    """

    n_won: int
    n_lost: int
    n_same: int
    depth: int
    won: tuple[ShownQuestion, ...]
    lost: tuple[ShownQuestion, ...]


def won_and_lost(data: ReportData, n: int = N_SHOWN) -> WonAndLost | None:
    """Return the questions that changed the most; None without runs of both models.

    By change in reciprocal rank; equal changes keep the order of the questions.
    """
    changes = rank_changes(data)
    if not changes:
        return None
    won = sorted((c for c in changes if c.change > 0), key=lambda c: -c.change)
    lost = sorted((c for c in changes if c.change < 0), key=lambda c: c.change)
    return WonAndLost(
        n_won=len(won),
        n_lost=len(lost),
        n_same=len(changes) - len(won) - len(lost),
        depth=data.evaluation.runs[data.tuned_name].ranking.shape[1],
        won=tuple(_shown_question(data, change) for change in won[:n]),
        lost=tuple(_shown_question(data, change) for change in lost[:n]),
    )


def rank_changes(data: ReportData) -> list[RankChange]:
    """Return the rank of the first right passage in both runs, for every judged question."""
    runs = data.evaluation.runs
    if not {data.base_name, data.tuned_name} <= set(runs):
        return []
    base = _first_right_ranks(data, runs[data.base_name])
    tuned = _first_right_ranks(data, runs[data.tuned_name])
    return [
        RankChange(query_id, base[query_id], tuned[query_id])
        for query_id in data.evaluation.query_ids
        if query_id in base and query_id in tuned
    ]


def _first_right_ranks(data: ReportData, run: Run) -> dict[str, int | None]:
    ranks: dict[str, int | None] = {}
    for row, query_id in enumerate(run.query_ids):
        if query_id not in data.relevant:
            continue
        right = _Right.of(data, query_id)
        marks = (right.mark(data, passage_id) for passage_id in _ranked(data, run, row))
        ranks[query_id] = next((rank for rank, mark in enumerate(marks, 1) if mark), None)
    return ranks


def _ranked(data: ReportData, run: Run, row: int) -> list[str]:
    """Return one query's passages, best first, with one for each group of duplicates."""
    best: dict[str, str] = {}
    for passage_id in run.ranked_ids(row):
        best.setdefault(data.groups.get(passage_id, passage_id), passage_id)
    return list(best.values())


@dataclass(frozen=True, slots=True)
class _Right:
    """The right passages of a question and the duplicate groups they are in."""

    passages: frozenset[str]
    groups: frozenset[str]

    @classmethod
    def of(cls, data: ReportData, query_id: str) -> _Right:
        """Return what answers a question."""
        grades = data.relevant.get(query_id, {})
        passages = frozenset(p for p, grade in grades.items() if grade >= 1)
        return cls(passages, frozenset(data.groups[p] for p in passages if p in data.groups))

    def mark(self, data: ReportData, passage_id: str) -> str:
        """Return "right", "duplicate" or ""."""
        if passage_id in self.passages:
            return "right"
        return "duplicate" if data.groups.get(passage_id) in self.groups else ""


def _shown_question(data: ReportData, change: RankChange) -> ShownQuestion:
    base = _top_passages(data, data.base_name, change.query_id)
    tuned = _top_passages(data, data.tuned_name, change.query_id)
    seen = any(passage.mark for passage in base + tuned)
    right = [p for p, grade in data.relevant[change.query_id].items() if grade >= 1]
    return ShownQuestion(
        text=data.query_texts.get(change.query_id, change.query_id),
        base_rank=change.base_rank,
        tuned_rank=change.tuned_rank,
        base=base,
        tuned=tuned,
        missing=() if seen else tuple(_shown(data, p, None, "right") for p in right[:N_TOP]),
    )


def _top_passages(data: ReportData, contender: str, query_id: str) -> tuple[ShownPassage, ...]:
    run = data.evaluation.runs[contender]
    top = _ranked(data, run, run.query_ids.index(query_id))[:N_TOP]
    right = _Right.of(data, query_id)
    return tuple(_shown(data, p, rank, right.mark(data, p)) for rank, p in enumerate(top, 1))


def _shown(data: ReportData, passage_id: str, rank: int | None, mark: str) -> ShownPassage:
    passage = data.passages.get(passage_id)
    if passage is None:
        return ShownPassage(rank, mark, passage_id, "", "(The text is not at hand.)", cut=False)
    place = data.document_paths.get(passage.document_id, "")
    if passage.page is not None:
        place = f"{place}, page {passage.page}" if place else f"page {passage.page}"
    cut = len(passage.text) > MAX_PASSAGE_LENGTH
    text = passage.text[:MAX_PASSAGE_LENGTH].rsplit(None, 1)[0] if cut else passage.text
    return ShownPassage(rank, mark, passage.title, place, text, cut)


def _reciprocal(rank: int | None) -> float:
    return 1.0 / rank if rank else 0.0
