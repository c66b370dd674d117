"""The report's opening: the evaluation's own verdict, or plain sentences where it has none.

An evaluation that reached a verdict is quoted, so that no page says anything else. Of an older one
only what the intervals carry is claimed: "scores highest" is a fact about these questions, "helped"
needs an interval that leaves out zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from homing.numbers import (
    counted,
    measure_name,
    percent,
    percent_range,
    point_range,
    points,
)
from homing.reporting.caveats import Caveat, caveats
from homing.reporting.contenders import (
    HEADLINE_MEASURE,
    TIE_BREAK_MEASURE,
    best_contender,
    find_comparison,
)
from homing.reporting.data import ReportData
from homing.reporting.naming import sentence_start, spoken_name
from homing.types import Decision, Interval

Outcome = Literal["better", "worse", "unclear", "kept base", "not compared"]
UNIT_NAMES = {"query": "question"}
INDEX_STAYS = (
    "The stored index stays valid: passages keep the vectors that the base model gives them."
)


@dataclass(frozen=True, slots=True)
class Opening:
    """What the report says first.

    Attributes:
        headline: One short sentence.
        sentences: The plain sentences that follow it.
        caveats: What limits them, the serious ones first.
        winner: The contender with the highest hit@5.
        outcome: What tuning did to the base.
        decision: The evaluation's; None where it reached no verdict.
        recommended: Whom the opening names: the verdict's contender, else the winner.
    """

    headline: str
    sentences: tuple[str, ...]
    caveats: tuple[Caveat, ...]
    winner: str
    outcome: Outcome
    decision: Decision | None
    recommended: str


def open_report(data: ReportData) -> Opening:
    """Return the opening: the evaluation's verdict, or what its numbers say without one."""
    winner, outcome = best_contender(data), _outcome(data)
    verdict = data.evaluation.verdict
    recommended = winner
    if verdict is None:
        headline = _headline(data, winner, outcome)
        sentences = [*_winner_sentences(data, winner), *_tuning_sentences(data, outcome)]
    else:
        headline, sentences = verdict.headline, list(verdict.reasons)
        if verdict.contender in data.evaluation.contenders:
            recommended = verdict.contender
    if keeps_index(data):
        sentences.append(INDEX_STAYS)
    return Opening(
        headline=headline,
        sentences=tuple(sentences),
        caveats=caveats(data, recommended),
        winner=winner,
        outcome=outcome,
        decision=verdict.decision if verdict else None,
        recommended=recommended,
    )


def keeps_index(data: ReportData) -> bool:
    """Tell whether the tuned model can be put before an index that the base model made."""
    log = data.training
    return log is not None and log.index_stays and log.kept != "base"


def _outcome(data: ReportData) -> Outcome:
    both = {data.base_name, data.tuned_name} <= set(data.evaluation.contenders)
    if data.training is not None and data.training.kept == "base":
        return "kept base"
    if not both:
        return "not compared"
    comparison = find_comparison(data, data.tuned_name, data.base_name, HEADLINE_MEASURE)
    if comparison is None:
        return "not compared"
    if comparison.difference.low > 0:
        return "better"
    return "worse" if comparison.difference.high < 0 else "unclear"


def _headline(data: ReportData, winner: str, outcome: Outcome) -> str:
    pair = (data.base_name, data.tuned_name)
    if winner in pair and outcome == "unclear":
        return "No clear difference between the tuned model and the base model."
    if winner in pair and outcome == "kept base":
        return "Training found nothing better than the base model, and kept it."
    alone = " alone" if winner not in pair and " fused with " not in _spoken(data, winner) else ""
    return f"{_spoken(data, winner)}{alone} scores highest."


def _spoken(data: ReportData, name: str) -> str:
    return sentence_start(spoken_name(data, name))


def _winner_sentences(data: ReportData, winner: str) -> list[str]:
    """Return what the winner reaches, where the sentence on tuned and base does not say it."""
    if winner in (data.base_name, data.tuned_name) and data.base_name in data.evaluation.contenders:
        return []
    result = data.evaluation.contenders[winner]
    interval = result.intervals.get(HEADLINE_MEASURE)
    spread = f" (95 % interval {percent_range(interval)})" if interval else ""
    best = (
        f"{_spoken(data, winner)} finds the right passage among the first five for "
        f"{percent(result.measures[HEADLINE_MEASURE])} of the questions{spread}"
    )
    comparison = find_comparison(data, winner, data.base_name, HEADLINE_MEASURE)
    if comparison is None:
        return [best + "."]
    lead = f"{points(comparison.difference.value)} points against the base model"
    if not _is_clear(comparison.difference):
        return [f"{best}: {lead}, no clear difference ({point_range(comparison.difference)})."]
    return [f"{best}: {lead} ({point_range(comparison.difference)})."]


def _tuning_sentences(data: ReportData, outcome: Outcome) -> list[str]:
    results = data.evaluation.contenders
    if data.base_name not in results or data.tuned_name not in results:
        return [f"Measured on {_basis(data)}."]
    tuned, base = (results[n].measures[HEADLINE_MEASURE] for n in (data.tuned_name, data.base_name))
    found = "finds the right passage among the first five for"
    if outcome == "kept base":
        return [f"The base model {found} {percent(base)} of the questions ({_basis(data)})."]
    sentence = (
        f"The tuned model {found} {percent(tuned)} of the questions, the base model for "
        f"{percent(base)}: difference "
    )
    comparison = find_comparison(data, data.tuned_name, data.base_name, HEADLINE_MEASURE)
    if comparison is None:
        n = counted(data.evaluation.n_queries, "question")
        return [f"{sentence}{points(tuned - base)} points ({n}, no interval at hand)."]
    sentence += (
        f"{points(comparison.difference.value)} points, 95 % interval "
        f"{point_range(comparison.difference)} ({_basis(data)})."
    )
    return [sentence, *_conclusion(data, outcome)]


def _basis(data: ReportData) -> str:
    """Return what the intervals rest on: "790 questions, resampled by document"."""
    unit = UNIT_NAMES.get(data.evaluation.cluster_unit, data.evaluation.cluster_unit)
    return f"{counted(data.evaluation.n_queries, 'question')}, resampled by {unit}"


def _conclusion(data: ReportData, outcome: Outcome) -> list[str]:
    """Return what follows from the interval, and what nDCG@10 says where it says otherwise."""
    sentences = {
        "unclear": "The interval includes zero: on these questions there is no clear difference.",
        "worse": "Tuning did harm: keep the base model.",
    }
    said = [sentences[outcome]] if outcome in sentences else []
    comparison = find_comparison(data, data.tuned_name, data.base_name, TIE_BREAK_MEASURE)
    if comparison is None or not _is_clear(comparison.difference):
        return said
    agrees = {"better": comparison.difference.value > 0, "worse": comparison.difference.value < 0}
    if agrees.get(outcome, False):
        return said
    return [
        *said,
        f"In {measure_name(TIE_BREAK_MEASURE)}, which also counts the rank, there is one: "
        f"{points(comparison.difference.value)} points ({point_range(comparison.difference)})."
        if outcome == "unclear"
        else f"But {measure_name(TIE_BREAK_MEASURE)}, which also counts the rank, says otherwise: "
        f"{points(comparison.difference.value)} points ({point_range(comparison.difference)}).",
    ]


def _is_clear(difference: Interval) -> bool:
    """Return whether the interval leaves out zero."""
    return difference.low > 0 or difference.high < 0
