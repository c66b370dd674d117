"""What limits the numbers, in sentences: the reader meets it beside the verdict, not below it."""

from __future__ import annotations

from dataclasses import dataclass

from homing.numbers import counted
from homing.reporting.data import ReportData
from homing.reporting.naming import uses_bm25
from homing.reporting.sources import source_caveat

FEW_QUESTIONS = 100


@dataclass(frozen=True, slots=True)
class Caveat:
    """What the reader must know beside the numbers; `serious` ones put them in doubt."""

    text: str
    serious: bool = False


def caveats(data: ReportData, recommended: str) -> tuple[Caveat, ...]:
    """Return what limits the numbers, the serious ones first.

    Args:
        recommended: Whom the opening names; written questions favour it if BM25 is part of it.
    """
    found = [
        *_leaks(data),
        *_kept_base(data),
        *_few_questions(data),
        *_sources(data, recommended),
    ]
    return tuple(sorted(found, key=lambda caveat: not caveat.serious))


def _leaks(data: ReportData) -> list[Caveat]:
    if data.audit is None or data.audit.clean:
        return []
    text = "The splits share passages or questions, so the numbers promise too much."
    return [Caveat(text, serious=True)]


def _kept_base(data: ReportData) -> list[Caveat]:
    if data.training is None or data.training.kept != "base":
        return []
    return [
        Caveat(
            "No checkpoint beat the base model on the development questions, so training "
            "kept the base: the model folder holds the base model."
        )
    ]


def _few_questions(data: ReportData) -> list[Caveat]:
    n = data.evaluation.n_queries
    if n >= FEW_QUESTIONS or data.evaluation.verdict is not None:  # a verdict says it itself
        return []
    text = f"Only {counted(n, 'question')}: the intervals are wide, and another set of questions "
    return [Caveat(f"{text}could turn the verdict.", serious=True)]


def _sources(data: ReportData, recommended: str) -> list[Caveat]:
    source = source_caveat(data, favours_bm25=uses_bm25(data, recommended))
    # The evaluation notes the source too, in fewer words.
    notes = [n for n in data.evaluation.notes if not (source and "not asked by people" in n)]
    return [*([Caveat(source)] if source else []), *(Caveat(note) for note in notes)]
