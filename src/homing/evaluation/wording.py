"""The verdict's sentences. Numbers stand in them as in the report: percent with one decimal."""

from __future__ import annotations

from collections.abc import Sequence

from homing.evaluation.certainty import LEVEL
from homing.evaluation.simplicity import needs_tuning, uses_words
from homing.numbers import NBSP, percent, point_range, points, stated_p
from homing.types import Comparison, Decision, Evaluation, Forgetting, Interval, Slice

FEW_QUESTIONS = 100
N_REASONS = 3
ASKED = {
    "written": "a program wrote all questions",
    "unknown": "nothing says who asked these questions",
    "mixed": "people asked only some of these questions",
}


def headline(
    decision: Decision, chosen: str, *, without_tuning: bool, n_more: int | None, is_careful: bool
) -> str:
    """Return the verdict in one short sentence.

    Args:
        without_tuning: Whether there is a tuned contender, and another one is to be deployed.
        n_more: About how many more questions are needed; None where that is not known.
        is_careful: Whether a program wrote all questions.
    """
    if decision == "cannot tell":
        needed = f": about {n_more:,} more are needed" if n_more else ""
        return f"Not enough questions to tell{needed}."
    if decision == "keep base":
        said = "keep the base model" if chosen == "base" else f"keep {spoken(chosen)}"
    elif without_tuning:
        said = f"use {spoken(chosen)}: tuning adds nothing clear"
    else:
        said = f"deploy {spoken(chosen)}"
    return f"On questions that a program wrote, {said}." if is_careful else f"{_capital(said)}."


def reasons(
    evaluation: Evaluation,
    decision: Decision,
    chosen: str,
    best: Comparison | None,
    *,
    lead: Interval | None,
    n_more: int | None,
    worthwhile: float,
    most_forgotten: float | None,
) -> tuple[str, ...]:
    """Return up to three sentences: the numbers, what decided, and what to beware of.

    Args:
        best: Comparison of the highest contender with the baseline in hit@5; None where none
            differs from it.
        lead: Of the best over a simpler one that was chosen; None where the best itself was.
        most_forgotten: What a tuned model may lose unmentioned; None where none is to be deployed.
    """
    if best is None:
        return (
            f"Every other contender ranks the passages of all {evaluation.n_queries:,} questions "
            f"just as {spoken(evaluation.baseline)} does.",
        )
    shown = best
    if decision == "deploy":
        shown = next(
            c for c in evaluation.comparisons if (c.name, c.measure) == (chosen, best.measure)
        )
    said = [_numbers(evaluation, shown)]
    if lead is not None:
        said.append(_simpler(evaluation, chosen, best.name, lead))
    elif decision == "keep base":
        said.append(_ruled_out(best, worthwhile))
    elif decision == "cannot tell":
        said.append(_unclear(evaluation, best, n_more, worthwhile))
    warnings = _warnings(evaluation, shown, decision, most_forgotten)
    beside = _beside(evaluation, shown) if decision == "deploy" and lead is None else ""
    if beside and len(warnings) < N_REASONS - len(said):
        said.append(beside)
    room = N_REASONS - len(said)
    if len(warnings) > room:
        warnings = [*warnings[: room - 1], "; ".join(warnings[room - 1 :])]
    return (*said, *(f"{_capital(warning)}." for warning in warnings))


def spoken(name: str) -> str:
    """Return a contender's name as it stands in a sentence: "bm25+base" -> "BM25 + base"."""
    parts = [part for part in name.split("+") if part] or [name]
    return " + ".join("BM25" if part.lower() == "bm25" else part for part in parts)


def _numbers(evaluation: Evaluation, shown: Comparison) -> str:
    ours, theirs = (
        evaluation.contenders[name].measures[shown.measure] for name in (shown.name, shown.baseline)
    )
    return (
        f"{_capital(spoken(shown.name))} finds the right passage among the first five for "
        f"{percent(ours)} of {evaluation.n_queries:,} questions, {spoken(shown.baseline)} for "
        f"{percent(theirs)}: {points(shown.difference.value)} points, 95{NBSP}% interval "
        f"{point_range(shown.difference)}{_correction(evaluation, shown)}."
    )


def _correction(evaluation: Evaluation, shown: Comparison) -> str:
    n_compared = sum(c.measure == shown.measure for c in evaluation.comparisons)
    p_value = shown.p_value if shown.p_adjusted is None else shown.p_adjusted
    corrected = f", corrected for {n_compared} contenders" if n_compared > 1 else ""
    return f" ({stated_p(p_value)}{corrected})"


def _simpler(evaluation: Evaluation, chosen: str, best: str, lead: Interval) -> str:
    contenders, baseline = evaluation.contenders, evaluation.baseline
    spares_tuning = needs_tuning(best, contenders, baseline) and not needs_tuning(
        chosen, contenders, baseline
    )
    why = "needs no tuning" if spares_tuning else "is simpler to run"
    return (
        f"{_capital(spoken(best))} scores highest, but it is not clearly better "
        f"({points(lead.value)} points, {point_range(lead)}), and {spoken(chosen)} {why}."
    )


def _ruled_out(best: Comparison, worthwhile: float) -> str:
    if best.difference.high < 0:
        return "Every contender is clearly worse."
    return f"No contender gains {_plain_points(worthwhile)} or more: the intervals rule it out."


def _unclear(
    evaluation: Evaluation, best: Comparison, n_more: int | None, worthwhile: float
) -> str:
    if best.detectable is None:
        return "So few questions cannot show any difference."
    if best.difference.low > 0 and best.p_value < LEVEL:
        more = f": about {n_more:,} more questions would tell" if n_more else ""
        return f"By itself that is clear, but among so many contenders it may be luck{more}."
    wanted = max(best.difference.value, worthwhile)
    aim = f"a gain of {_plain_points(wanted)}"
    where = ", from further documents" if evaluation.cluster_unit == "document" else ""
    more = f"; {aim} takes about {n_more:,} more{where}" if n_more else ""
    return (
        f"{evaluation.n_queries:,} questions reliably show differences of "
        f"{_plain_points(best.detectable)} and up{more}."
    )


def _beside(evaluation: Evaluation, shown: Comparison) -> str:
    """Return what nDCG@10 says of the contender to deploy; "" where it was not compared."""
    for c in evaluation.comparisons:
        if (c.name, c.measure) == (shown.name, "ndcg@10"):
            gain = f"{points(c.difference.value)} points, {point_range(c.difference)}"
            if c.difference.low > 0:
                return f"nDCG@10, which also counts the rank, agrees ({gain})."
            word = "disagrees" if c.difference.high < 0 else "shows no clear difference"
            return f"nDCG@10, which also counts the rank, {word} ({gain})."
    return ""


def _warnings(
    evaluation: Evaluation, shown: Comparison, decision: Decision, most_forgotten: float | None
) -> list[str]:
    """Return what limits the verdict, without capital and full stop, the gravest first."""
    found = []
    if most_forgotten is not None:
        found += [_forgot(f) for f in _forgotten(evaluation.forgetting, most_forgotten)]
    if evaluation.n_queries < FEW_QUESTIONS:
        found.append(
            f"with only {evaluation.n_queries:,} questions, another set of them could turn this"
        )
    by_words = decision == "deploy" and uses_words(shown.name, evaluation.contenders)
    if by_words:
        found += _in_other_words(evaluation.slices, shown.name)
    if evaluation.query_source in ASKED:
        found.append(_source(evaluation, favours_words=by_words))
    return found


def _in_other_words(slices: Sequence[Slice], name: str) -> list[str]:
    """Return a warning if nothing is gained where questions share the fewest words."""
    ranked = [part for part in slices if part.dimension == "overlap" and part.is_ranked]
    if not ranked or ranked[0].differences[name].value > 0:
        return []
    gain = ranked[0].differences[name]
    return [
        f"where question and passage share least ({ranked[0].label}, {ranked[0].n:,} questions), "
        f"it gains nothing ({points(gain.value)} points, {point_range(gain)})"
    ]


def _forgotten(forgetting: Sequence[Forgetting], most: float) -> list[Forgetting]:
    return [f for f in forgetting if f.difference.value < -most and f.difference.high < 0]


def _forgot(f: Forgetting) -> str:
    return (
        f"tuning cost {_plain_points(-f.difference.value)} of {_measure(f.measure)} on general "
        f"questions ({f.name}, {point_range(f.difference)})"
    )


def _source(evaluation: Evaluation, *, favours_words: bool) -> str:
    copied = evaluation.copied_fraction
    share = f", and {100 * copied:.0f}{NBSP}% of their words stand in the passage" if copied else ""
    favour = ", which favours BM25" if copied and favours_words else ""
    return (
        f"{ASKED[evaluation.query_source]}{share}{favour}: people ask in their own words, and for "
        "them this may not hold"
    )


def _measure(name: str) -> str:
    return name.replace("ndcg", "nDCG").replace("mrr", "MRR").replace("map", "MAP")


def _plain_points(difference: float) -> str:
    text = f"{100 * difference:.1f}".removesuffix(".0")
    return f"{text} point" if text == "1" else f"{text} points"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
