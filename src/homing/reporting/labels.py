"""Labels that look wrong: the contenders agree with each other, and not with the label.

Two signs: every strong contender puts the same other passage first and the right one far below, or
nobody finds the right passage at all. Either may be the contenders' fault; a look decides. Fusions
are no witnesses, as they repeat what their members say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homing.numbers import count
from homing.reporting.contenders import HEADLINE_MEASURE
from homing.reporting.data import ReportData
from homing.reporting.naming import fused_parts
from homing.reporting.outcomes import ShownPassage, shown_passage
from homing.reporting.ranks import Ranked, judged_queries

N_SHOWN = 20
STRONG_WITHIN = 0.15
"""A contender is strong whose hit@5 lies at most so far below the best one's."""
FAR_BELOW = 10


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A question whose label looks wrong.

    Attributes:
        row: Position among the judged questions.
        reason: In a sentence.
        rival: Id of the passage that all put first; "" where they do not agree.
    """

    row: int
    reason: str
    rival: str


@dataclass(frozen=True, slots=True)
class ShownSuspicion:
    """A suspicion as the report shows it: the labelled passage beside what was found instead."""

    text: str
    reason: str
    labelled: tuple[ShownPassage, ...]
    rival: ShownPassage | None


def suspected_labels(data: ReportData, answers: Mapping[str, Ranked]) -> list[Suspicion]:
    """Return the questions whose labels look wrong, those with a rival passage first.

    Args:
        answers: As `rank_all` returns them, at least one passage wide.
    """
    witnesses = _witnesses(data, answers)
    if not witnesses:
        return []
    query_ids = judged_queries(data)
    agreed, unseen = [], []
    for row, query_id in enumerate(query_ids):
        ranks = [int(answers[name].first_right[row]) for name in answers]
        rival = _common_first(data, [answers[name] for name in witnesses], row)
        missed = [int(answers[name].first_right[row]) for name in witnesses]
        if rival and len(witnesses) > 1 and all(not r or r > FAR_BELOW for r in missed):
            agreed.append(Suspicion(row, _agreement(len(witnesses), missed, answers), rival))
        elif not any(ranks) and _could_miss(data, answers) and data.relevant[query_id]:
            unseen.append(Suspicion(row, _miss(answers), ""))
    return [*agreed, *unseen]


def show_suspicions(
    data: ReportData, suspicions: Sequence[Suspicion], n: int = N_SHOWN
) -> list[ShownSuspicion]:
    """Return the first `n` suspicions with the passages to look at."""
    query_ids = judged_queries(data)
    shown = []
    for suspicion in suspicions[:n]:
        query_id = query_ids[suspicion.row]
        right = [p for p, grade in data.relevant[query_id].items() if grade >= 1]
        shown.append(
            ShownSuspicion(
                text=data.query_texts.get(query_id, query_id),
                reason=suspicion.reason,
                labelled=tuple(shown_passage(data, p) for p in right[:2]),
                rival=shown_passage(data, suspicion.rival) if suspicion.rival else None,
            )
        )
    return shown


def _witnesses(data: ReportData, answers: Mapping[str, Ranked]) -> list[str]:
    """Return the strong contenders that make up their own ranking."""
    own = {
        name: data.evaluation.contenders[name].measures[HEADLINE_MEASURE]
        for name in answers
        if not fused_parts(data, name)
    }
    best = max(own.values(), default=0.0)
    return [name for name, value in own.items() if value >= best - STRONG_WITHIN]


def _common_first(data: ReportData, answers: Sequence[Ranked], row: int) -> str:
    """Return the passage that all put first, duplicates being one; "" where they differ."""
    firsts = [a.passage_ids[a.top[row, 0]] for a in answers if a.top[row, 0] >= 0]
    units = {data.groups.get(passage_id, passage_id) for passage_id in firsts}
    return firsts[0] if len(units) == 1 and len(firsts) == len(answers) else ""


def _could_miss(data: ReportData, answers: Mapping[str, Ranked]) -> bool:
    """Return whether fewer passages were saved than there are."""
    return all(a.depth < data.evaluation.n_passages for a in answers.values())


def _agreement(n_witnesses: int, ranks: Sequence[int], answers: Mapping[str, Ranked]) -> str:
    who = "Both" if n_witnesses == 2 else f"All {count(n_witnesses)}"
    best = min((rank for rank in ranks if rank), default=0)
    where = f"at rank {count(best)} at best" if best else f"not among the first {_depth(answers)}"
    return f"{who} strong contenders put the same other passage first and the labelled one {where}."


def _miss(answers: Mapping[str, Ranked]) -> str:
    return f"No contender finds the labelled passage among the first {_depth(answers)}."


def _depth(answers: Mapping[str, Ranked]) -> str:
    return count(min(a.depth for a in answers.values()))
