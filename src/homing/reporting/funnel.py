"""From written to kept: what each filter dropped of the written questions, and which are easy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from homing.reporting.rejections import cut, in_words
from homing.types import Rejection

STAGE = "curate"
N_EXAMPLES = 3
MAX_EXAMPLE_LENGTH = 220
FILTERS = {
    "form": ("Form", "readable, long enough, in its passage's language, asked once"),
    "copied": ("Copied text", "not taken from the passage word for word"),
    "near_duplicate": ("Likeness", "not an earlier question in other words"),
    "round_trip": ("Round trip", "a search for it finds its passage"),
    "judge": ("Judge", "answerable and self-contained, says a language model"),
    "split": ("Splits", "asked on one side alone, and kept away from the test"),
}
"""Filter -> its name and what a question must be to pass it."""


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """What one filter was given and let through.

    Attributes:
        filter: A key of `FILTERS`, or another that this version does not know.
        reasons: Reason code -> how many it dropped for it.
    """

    filter: str
    n_in: int
    n_out: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class EasyKind:
    """Of a writer's questions of one kind, how many BM25 alone answers first; they are kept."""

    writer: str
    kind: str
    n: int
    of: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """What curation made of the written questions, as it counted.

    Attributes:
        steps: In the order in which the filters ran.
        too_easy: Empty where nobody has searched.
        n_extra: Further passages that a judge found to answer; None where none was asked.
        grades: Of these, grade -> how many.
    """

    n_written: int
    n_kept: int
    steps: tuple[FunnelStep, ...] = ()
    too_easy: tuple[EasyKind, ...] = ()
    n_extra: int | None = None
    grades: Mapping[str, int] | None = None

    @property
    def n_easy(self) -> int:
        """Return how many questions BM25 alone answers first."""
        return sum(kind.n for kind in self.too_easy)

    @property
    def n_searched(self) -> int:
        """Return of how many questions that is known."""
        return sum(kind.of for kind in self.too_easy)


@dataclass(frozen=True, slots=True)
class ShownReason:
    """One reason for which a filter dropped questions.

    Attributes:
        reason: In words.
        detail: What the examples' details have in common: all of it, or nothing.
        examples: (question, detail), the detail "" where it is the common one.
    """

    reason: str
    code: str
    n: int
    detail: str
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ShownStep:
    """One filter as the report shows it; `reasons` come with the most frequent first."""

    name: str
    about: str
    n_in: int
    n_out: int
    reasons: tuple[ShownReason, ...]

    @property
    def n_dropped(self) -> int:
        """Return how many questions the filter dropped."""
        return max(0, self.n_in - self.n_out)


class ShownFunnel(NamedTuple):
    """The filters with examples, and the rejections that none of them accounts for."""

    steps: tuple[ShownStep, ...]
    rest: list[Rejection]


def read_funnel(summary: Mapping[str, Any]) -> Funnel | None:
    """Return the funnel that the summary of curation holds.

    None where it holds none, as in workspaces of older versions, or where nothing was written.
    What has another form than expected is left out: a report is worth more than its last table.
    """
    found = _mapping(summary.get("funnel"))
    n_written = _number(found.get("n_written"))
    if not n_written:
        return None
    answers = _mapping(found.get("answers"))
    return Funnel(
        n_written=n_written,
        n_kept=_number(found.get("n_kept")),
        steps=tuple(
            FunnelStep(
                str(row.get("filter", "")),
                _number(row.get("n_in")),
                _number(row.get("n_out")),
                _numbers(row.get("reasons")),
            )
            for row in _rows(found.get("steps"))
        ),
        too_easy=tuple(
            EasyKind(
                str(row.get("writer", "")),
                str(row.get("kind", "")),
                _number(row.get("n")),
                _number(row.get("of")),
            )
            for row in _rows(found.get("too_easy"))
        ),
        n_extra=_number(answers.get("n_extra")) if answers else None,
        grades=_numbers(answers.get("grades")) if answers else None,
    )


def show_funnel(funnel: Funnel, rejections: Sequence[Rejection]) -> ShownFunnel:
    """Return each filter's reasons with examples, and the rejections of everything else.

    Rejections stand in the order in which the filters ran. So where two filters know the same
    reason, the first so many are the first filter's.

    Args:
        rejections: Of all stages, each in the order in which it was saved.
    """
    waiting: dict[str, list[int]] = {}
    for position, rejection in enumerate(rejections):
        if rejection.stage == STAGE:
            waiting.setdefault(rejection.reason, []).append(position)
    steps = []
    told: set[int] = set()
    for step in funnel.steps:
        reasons = []
        for code, n in sorted(step.reasons.items(), key=lambda item: (-item[1], item[0])):
            positions, waiting[code] = waiting.get(code, [])[:n], waiting.get(code, [])[n:]
            told.update(positions)
            reasons.append(_shown_reason(code, n, [rejections[i] for i in positions]))
        name, about = FILTERS.get(step.filter, (in_words(step.filter), ""))
        steps.append(ShownStep(name, about, step.n_in, step.n_out, tuple(reasons)))
    return ShownFunnel(tuple(steps), [r for i, r in enumerate(rejections) if i not in told])


def _shown_reason(code: str, n: int, found: Sequence[Rejection]) -> ShownReason:
    # By id, which is a hash: not all from the first document.
    chosen: dict[str, Rejection] = {}
    for rejection in sorted(found, key=lambda r: r.item_id):
        if rejection.text.strip() and len(chosen) < N_EXAMPLES:
            chosen.setdefault(rejection.text, rejection)
    details = {rejection.detail for rejection in chosen.values()}
    common = details.pop() if len(details) == 1 else ""
    examples = tuple(
        (cut(r.text, MAX_EXAMPLE_LENGTH), "" if common else r.detail) for r in chosen.values()
    )
    return ShownReason(in_words(code), code, n, common, examples)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: Any) -> list[Mapping[str, Any]]:
    rows = value if isinstance(value, list | tuple) else ()
    return [row for row in rows if isinstance(row, Mapping)]


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _numbers(value: Any) -> dict[str, int]:
    return {str(name): n for name, count in _mapping(value).items() if (n := _number(count))}
