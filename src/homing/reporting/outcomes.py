"""Questions won and lost: where the challenger ranks the right passage higher, and where lower.

This is what a reader without JavaScript sees of them: the twenty that rose and the twenty that fell
the most. `explorer.py` hands all of them to the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from homing.reporting.contenders import baseline_of, challenger_of
from homing.reporting.data import ReportData
from homing.reporting.naming import short_name
from homing.reporting.places import link_of, place_of
from homing.reporting.ranks import Ranked, Right, judged_queries

N_SHOWN = 20
N_TOP = 3
MAX_PASSAGE_LENGTH = 360
NO_TEXT = "(The text is not at hand.)"


@dataclass(frozen=True, slots=True)
class RankChange:
    """The first right passage's rank with both contenders; None beyond the saved ranks.

    Attributes:
        row: Position among the judged questions.
        before: Rank with the baseline.
        after: Rank with the challenger.
    """

    row: int
    before: int | None
    after: int | None

    @property
    def change(self) -> float:
        """Return the change in reciprocal rank, in [-1, 1]."""
        return _reciprocal(self.after) - _reciprocal(self.before)


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage as the report shows it.

    Attributes:
        rank: Its rank, or None where it stands only because it is right.
        mark: "right", "duplicate" (of a right one), or "".
        link: To its document, or "".
        text: Cut at `MAX_PASSAGE_LENGTH` characters; `cut` says so.
    """

    rank: int | None
    mark: str
    title: str
    place: str
    link: str
    text: str
    cut: bool


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """A question with both contenders' first passages.

    Attributes:
        missing: The right passages, where neither has one among its first.
    """

    text: str
    before: int | None
    after: int | None
    baseline: tuple[ShownPassage, ...]
    challenger: tuple[ShownPassage, ...]
    missing: tuple[ShownPassage, ...]


@dataclass(frozen=True, slots=True)
class WonAndLost:
    """How many questions rose and fell, and those that did the most.

    Attributes:
        names: What baseline and challenger are called.
        depth: How many ranks were saved; a rank of None lies beyond.
    """

    names: tuple[str, str]
    n_won: int
    n_lost: int
    n_same: int
    depth: int
    won: tuple[ShownQuestion, ...]
    lost: tuple[ShownQuestion, ...]


def won_and_lost(
    data: ReportData, answers: Mapping[str, Ranked], n: int = N_SHOWN
) -> WonAndLost | None:
    """Return the questions that changed the most; None without answers of both contenders.

    By change in reciprocal rank; equal changes keep the order of the questions.

    Args:
        answers: As `rank_all` returns them, at least `N_TOP` passages wide.
    """
    pair = compared_pair(data, answers)
    if pair is None:
        return None
    changes = rank_changes(answers[pair[0]], answers[pair[1]])
    won = sorted((c for c in changes if c.change > 0), key=lambda c: -c.change)
    lost = sorted((c for c in changes if c.change < 0), key=lambda c: c.change)
    return WonAndLost(
        names=(short_name(data, pair[0]), short_name(data, pair[1])),
        n_won=len(won),
        n_lost=len(lost),
        n_same=len(changes) - len(won) - len(lost),
        depth=answers[pair[1]].depth,
        won=tuple(_shown_question(data, answers, pair, change) for change in won[:n]),
        lost=tuple(_shown_question(data, answers, pair, change) for change in lost[:n]),
    )


def compared_pair(data: ReportData, answers: Mapping[str, Ranked]) -> tuple[str, str] | None:
    """Return baseline and challenger, or None where one of them has no answers."""
    baseline, challenger = baseline_of(data), challenger_of(data)
    if baseline is None or challenger is None or not {baseline, challenger} <= set(answers):
        return None
    return baseline, challenger


def rank_changes(before: Ranked, after: Ranked) -> list[RankChange]:
    """Return the rank of the first right passage with both contenders, for every question."""
    ranks = zip(before.first_right.tolist(), after.first_right.tolist(), strict=True)
    return [RankChange(row, a or None, b or None) for row, (a, b) in enumerate(ranks)]


def shown_passage(
    data: ReportData, passage_id: str, rank: int | None = None, mark: str = ""
) -> ShownPassage:
    """Return a passage with its place, cut between words."""
    passage = data.passages.get(passage_id)
    if passage is None:
        return ShownPassage(rank, mark, passage_id, "", "", NO_TEXT, cut=False)
    cut = len(passage.text) > MAX_PASSAGE_LENGTH
    text = _cut(passage.text, MAX_PASSAGE_LENGTH)
    place, link = place_of(data, passage), link_of(data, passage)
    return ShownPassage(rank, mark, passage.title, place, link, text, cut)


def shorten(text: str, length: int) -> str:
    """Return at most `length` characters of a text in whole words; " …" follows where more was."""
    return text if len(text) <= length else f"{_cut(text, length)} …"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else (text[:length].rsplit(None, 1) or [""])[0]


def _shown_question(
    data: ReportData, answers: Mapping[str, Ranked], pair: tuple[str, str], change: RankChange
) -> ShownQuestion:
    query_id = judged_queries(data)[change.row]
    right = Right.of(data, query_id)
    sides = []
    for name in pair:
        answer = answers[name]
        top = [answer.passage_ids[p] for p in answer.top[change.row].tolist() if p >= 0][:N_TOP]
        sides.append(
            tuple(
                shown_passage(data, p, rank, right.mark(data, p)) for rank, p in enumerate(top, 1)
            )
        )
    seen = any(passage.mark for side in sides for passage in side)
    answering = [p for p, grade in data.relevant[query_id].items() if grade >= 1]
    return ShownQuestion(
        text=data.query_texts.get(query_id, query_id),
        before=change.before,
        after=change.after,
        baseline=sides[0],
        challenger=sides[1],
        missing=()
        if seen
        else tuple(shown_passage(data, p, None, "right") for p in answering[:N_TOP]),
    )


def _reciprocal(rank: int | None) -> float:
    return 1.0 / rank if rank else 0.0
