"""Results that nobody judged: how many there are, and what a judge's look at them changed."""

from __future__ import annotations

from dataclasses import dataclass

from homing.numbers import bare_percent, count, counted, percent, points
from homing.reporting.contenders import ranked_contenders
from homing.reporting.data import ReportData
from homing.reporting.looks import styles
from homing.reporting.naming import short_name
from homing.types import Unjudged


@dataclass(frozen=True, slots=True)
class UnjudgedRow:
    """One contender, in percent: unjudged results, and the hit rate before and after a judge."""

    label: str
    style: str
    fraction: str
    before: str
    after: str
    change: str


def unjudged_rows(data: ReportData) -> list[UnjudgedRow]:
    """Return every contender's share of unjudged results, in the leaderboard's order."""
    found = data.evaluation.unjudged
    if found is None:
        return []
    looks = styles(data)
    return [
        _row(found, name, short_name(data, name), looks[name])
        for name in ranked_contenders(data)
        if name in found.fraction
    ]


def judge_sentence(found: Unjudged) -> str:
    """Return what the judge did, or that none was asked."""
    if not found.judge:
        shares = found.fraction.values()
        return (
            f"Depending on the contender, {bare_percent(min(shares))} to "
            f"{percent(max(shares))} of the first {count(found.k)} results have no label. Nobody "
            "was asked whether they answer too, so they count as wrong; --judge asks a language "
            "model."
        )
    right = percent(found.n_right / found.n_judged) if found.n_judged else percent(0)
    return (
        f"{found.judge} judged {counted(found.n_judged, 'pair')} of question and passage, the "
        f"first {count(found.k)} results of all contenders together, and found that "
        f"{count(found.n_right)} of them answer ({right})."
    )


def _row(found: Unjudged, name: str, label: str, style: str) -> UnjudgedRow:
    before, after = found.before.get(name), found.after.get(name)
    return UnjudgedRow(
        label=label,
        style=style,
        fraction=bare_percent(found.fraction[name]),
        before="–" if before is None else bare_percent(before),
        after="–" if after is None else bare_percent(after),
        change="" if before is None or after is None else points(after - before),
    )
