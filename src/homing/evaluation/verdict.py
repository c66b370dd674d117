"""What to do, by the rule in docs/verdict.md; benchmarks/certainty.py says how often it errs.

The rule looks at hit@5 alone: does the right passage reach whoever reads five. nDCG@10 is told
beside it and decides nothing, since two measures would be two chances to be lucky.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from homing.evaluation import wording
from homing.evaluation.certainty import LEVEL, questions_needed
from homing.evaluation.significance import paired_difference
from homing.evaluation.simplicity import effort_of, needs_tuning
from homing.types import Comparison, Decision, Evaluation, Verdict
from homing.types.evaluation import Interval

MEASURE = "hit@5"
WORTHWHILE = 0.01
"""The least gain in hit@5 for which anything would be deployed."""
MOST_FORGOTTEN = 0.05
"""How much a tuned model may lose on general questions before the verdict says so."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the rule came to, before it is put in words.

    Attributes:
        chosen: The contender to deploy; the baseline unless the decision is "deploy".
        best: Comparison of the contender that scores highest; None where none differs.
        lead: Of `best` over `chosen`, where a simpler one than the best was chosen.
        n_more: About how many more questions would decide it.
    """

    decision: Decision
    chosen: str
    best: Comparison | None
    lead: Interval | None = None
    n_more: int | None = None


def decide(
    evaluation: Evaluation,
    *,
    worthwhile: float = WORTHWHILE,
    most_forgotten: float = MOST_FORGOTTEN,
    seed: int = 0,
) -> Verdict:
    """Return what to do, with the reasons in up to three sentences.

    Args:
        evaluation: With comparisons in hit@5, of at least two contenders; what it says of
            forgetting goes into the reasons.
        worthwhile: The least gain in hit@5 for which anything would be deployed.
        most_forgotten: Loss on general questions, as a share, that goes unmentioned.
        seed: Of the bootstrap between contenders that both are better than the baseline.

    Raises:
        ValueError: If there is no comparison in hit@5.
    """
    found = [c for c in evaluation.comparisons if c.measure == MEASURE]
    if not found:
        raise ValueError("There is no comparison in hit@5 to decide by.")
    finding = find(evaluation, found, worthwhile=worthwhile, seed=seed)
    tuned = [c for c in evaluation.contenders if _is_tuned(evaluation, c)]
    is_careful = evaluation.query_source == "written"
    return Verdict(
        decision=finding.decision,
        contender=finding.chosen,
        headline=wording.headline(
            finding.decision,
            finding.chosen,
            without_tuning=bool(tuned) and finding.chosen not in tuned,
            n_more=finding.n_more,
            is_careful=is_careful,
        ),
        reasons=wording.reasons(
            evaluation,
            finding.decision,
            finding.chosen,
            finding.best,
            lead=finding.lead,
            n_more=finding.n_more,
            worthwhile=worthwhile,
            most_forgotten=most_forgotten if finding.chosen in tuned else None,
        ),
        n_more=finding.n_more,
        is_careful=is_careful,
    )


def decided(evaluation: Evaluation, seed: int) -> Evaluation:
    """Return the evaluation with its verdict; one contender alone gets none.

    Once all that it rests on is there: comparisons, and what tuning forgets where that is measured.
    """
    if not evaluation.comparisons:
        return evaluation
    return replace(evaluation, verdict=decide(evaluation, seed=seed))


def find(
    evaluation: Evaluation, found: Sequence[Comparison], *, worthwhile: float, seed: int
) -> Finding:
    """Return what the rule comes to.

    Args:
        found: Every contender against the baseline in hit@5.
    """
    baseline = evaluation.baseline
    open_to = sorted(
        (c for c in found if _differs(evaluation, c.name)),
        key=lambda c: (c.difference.value, _mean(evaluation, c.name, "ndcg@10")),
        reverse=True,
    )
    if not open_to:
        return Finding("keep base", baseline, None)
    better = [c for c in open_to if is_clear_gain(c) and c.difference.high >= worthwhile]
    if better:
        chosen, lead = _simplest(evaluation, better, seed)
        return Finding("deploy", chosen, better[0], lead)
    hopeful = [c for c in open_to if c.difference.high >= worthwhile]
    if not hopeful:
        return Finding("keep base", baseline, open_to[0])
    return Finding(
        "cannot tell",
        baseline,
        hopeful[0],
        n_more=_n_more(evaluation.n_queries, hopeful[0], worthwhile, len(found)),
    )


def is_clear_gain(comparison: Comparison) -> bool:
    """Return whether a contender is better than the baseline beyond chance, all others counted."""
    p_value = comparison.p_value if comparison.p_adjusted is None else comparison.p_adjusted
    return p_value < LEVEL and comparison.difference.low > 0


def _simplest(
    evaluation: Evaluation, better: Sequence[Comparison], seed: int
) -> tuple[str, Interval | None]:
    """Return the simplest contender that the best is not clearly better than, and the best's lead.

    The lead is None where that is the best itself.
    """
    best = better[0].name
    # sorted() is stable: of equally simple ones the better comes first.
    for name in sorted((c.name for c in better), key=lambda n: _effort(evaluation, n)):
        if name == best:
            break
        ours, theirs = (evaluation.by_query[n][MEASURE] for n in (best, name))
        clusters = evaluation.clusters or evaluation.query_ids
        lead, p_value = paired_difference(ours, theirs, clusters, seed=seed)
        if not (lead.low > 0 and p_value < LEVEL):
            return name, lead
    return best, None


def _n_more(
    n_queries: int, comparison: Comparison, worthwhile: float, n_compared: int
) -> int | None:
    """Return about how many more questions show the gain that was seen, or the least worthwhile."""
    if comparison.detectable is None:
        return None
    wanted = max(comparison.difference.value, worthwhile)
    needed = questions_needed(n_queries, comparison.detectable, wanted, n_compared=n_compared)
    return needed or None


def _differs(evaluation: Evaluation, name: str) -> bool:
    """Return whether a contender differs from the baseline on any question, in any measure."""
    ours, theirs = evaluation.by_query[name], evaluation.by_query[evaluation.baseline]
    return any(not np.array_equal(ours[measure], theirs[measure]) for measure in ours)


def _mean(evaluation: Evaluation, name: str, measure: str) -> float:
    return evaluation.contenders[name].measures.get(measure, 0.0)


def _effort(evaluation: Evaluation, name: str) -> tuple[int, ...]:
    return effort_of(name, evaluation.contenders, evaluation.baseline)


def _is_tuned(evaluation: Evaluation, name: str) -> bool:
    return needs_tuning(name, evaluation.contenders, evaluation.baseline)
