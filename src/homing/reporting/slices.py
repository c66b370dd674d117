"""The forest plot: how far the challenger lies above the baseline in each part of the questions.

Parts keep the order in which the evaluation gives them: they are never sorted by result, and those
of fewer than twenty questions are shown and not compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homing.numbers import bare_percent, percent_range, point_range, points
from homing.reporting.axes import Axis, Drawing
from homing.reporting.contenders import baseline_of, challenger_of, ranked_contenders
from homing.reporting.data import ReportData
from homing.reporting.naming import short_name
from homing.reporting.rejections import in_words
from homing.types import Slice

DIMENSIONS = {
    "kind": "Kind of question",
    "source": "Whose questions",
    "document": "Document",
    "length": "Length of the right passage",
    "overlap": "Words shared by question and passage",
    "language": "Language",
}
BY_PEOPLE = "asked by people"
N_SHOWN = 14
N_LISTED = 100
NARROWEST = 0.05


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One slice.

    Attributes:
        before: The baseline's hit@5 in percent; `after` the challenger's.
        difference: In points, with its interval.
        drawing: Its place on the common axis.
        direction: "up" or "down" where the interval leaves out zero, "level" where it does not,
            "few" where there are too few questions to say.
    """

    label: str
    n: int
    before: str
    after: str
    difference: str
    difference_range: str
    drawing: Drawing
    direction: str


@dataclass(frozen=True, slots=True)
class ForestPart:
    """The slices of one dimension; `n_more` are left out of the plot, those of fewest questions."""

    heading: str
    rows: tuple[ForestRow, ...]
    n_more: int


@dataclass(frozen=True, slots=True)
class Forest:
    """All slices with the axis that they are drawn on.

    Attributes:
        ticks: (position, label).
        zero: Where no difference is.
        n_compared: How many slices have questions enough.
    """

    baseline: str
    challenger: str
    parts: tuple[ForestPart, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    n_compared: int


@dataclass(frozen=True, slots=True)
class ListedSlice:
    """A slice with every contender's (hit@5, interval), in the leaderboard's order."""

    dimension: str
    label: str
    n: int
    is_ranked: bool
    cells: tuple[tuple[str, str], ...]


def forest(data: ReportData) -> Forest | None:
    """Return the forest plot; None where no slice compares baseline and challenger."""
    baseline, challenger = baseline_of(data), challenger_of(data)
    if baseline is None or challenger is None:
        return None
    found = [s for s in data.evaluation.slices if challenger in s.differences and s.n]
    if not found:
        return None
    axis = _axis(found, challenger)
    dimensions = dict.fromkeys(part.dimension for part in found)
    return Forest(
        baseline=short_name(data, baseline),
        challenger=short_name(data, challenger),
        parts=tuple(_part(d, found, baseline, challenger, axis) for d in dimensions),
        ticks=tuple((axis.position(n / 100), points(n / 100)[:-2]) for n in axis.ticks()),
        zero=axis.position(0),
        n_compared=sum(part.is_ranked for part in found),
    )


def listed_slices(data: ReportData) -> list[ListedSlice]:
    """Return the slices with all contenders' hit@5, at most a hundred of each dimension."""
    names = ranked_contenders(data)
    listed, counts = [], dict.fromkeys((s.dimension for s in data.evaluation.slices), 0)
    for part in data.evaluation.slices:
        counts[part.dimension] += 1
        if counts[part.dimension] > N_LISTED:
            continue
        intervals = [part.results.get(name) for name in names]
        cells = tuple(
            (bare_percent(i.value), percent_range(i)) if i else ("–", "") for i in intervals
        )
        label = slice_label(part)
        listed.append(ListedSlice(_heading(part.dimension), label, part.n, part.is_ranked, cells))
    return listed


def slice_options(data: ReportData) -> list[tuple[str, list[tuple[int, str, int]]]]:
    """Return the slices as (dimension, [(position, label, n)]), to choose from in a list."""
    options: dict[str, list[tuple[int, str, int]]] = {}
    for position, part in enumerate(data.evaluation.slices):
        options.setdefault(_heading(part.dimension), []).append(
            (position, slice_label(part), part.n)
        )
    return list(options.items())


def slice_label(part: Slice) -> str:
    """Return what a slice is called; codes of kinds in words, given questions the user's own."""
    if part.dimension == "source" and part.label == BY_PEOPLE:
        return "your own test questions"
    return in_words(part.label) if part.dimension == "kind" else part.label


def _heading(dimension: str) -> str:
    return DIMENSIONS.get(dimension, in_words(dimension))


def _axis(found: Sequence[Slice], challenger: str) -> Axis:
    """Return an axis with zero on it that holds every compared slice's interval."""
    compared = [part for part in found if part.is_ranked] or list(found)
    intervals = [part.differences[challenger] for part in compared]
    low = min(0.0, min(i.low for i in intervals))
    high = max(0.0, max(i.high for i in intervals))
    margin = 0.06 * max(high - low, NARROWEST)
    return Axis(low - margin, max(high, low + NARROWEST) + margin)


def _part(
    dimension: str, found: Sequence[Slice], baseline: str, challenger: str, axis: Axis
) -> ForestPart:
    members = [part for part in found if part.dimension == dimension]
    largest = sorted(members, key=lambda part: -part.n)[:N_SHOWN]
    shown = [part for part in members if any(part is other for other in largest)]
    return ForestPart(
        _heading(dimension),
        tuple(_row(part, baseline, challenger, axis) for part in shown),
        len(members) - len(shown),
    )


def _row(part: Slice, baseline: str, challenger: str, axis: Axis) -> ForestRow:
    difference = part.differences[challenger]
    direction = "up" if difference.low > 0 else "down" if difference.high < 0 else "level"
    results = [part.results.get(name) for name in (baseline, challenger)]
    before, after = (bare_percent(interval.value) if interval else "–" for interval in results)
    return ForestRow(
        label=slice_label(part),
        n=part.n,
        before=before,
        after=after,
        difference=points(difference.value),
        difference_range=point_range(difference),
        drawing=axis.draw(difference),
        direction=direction if part.is_ranked else "few",
    )
