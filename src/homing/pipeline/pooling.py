"""A language model as the assessor of what all contenders found: see `evaluation.unjudged`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from homing.curation.answers import FULLY
from homing.curation.answers import RUBRIC as RELEVANCE
from homing.dataset import Dataset
from homing.errors import UsageError
from homing.evaluation.unjudged import POOL_DEPTH, Pair, pool, unjudged_fractions, with_verdicts
from homing.llm.prices import price_of
from homing.pipeline.language_models import LanguageModel, open_model
from homing.progress import say
from homing.settings import Settings
from homing.types import Evaluation, Passage, Question, Unjudged


def assessed(
    evaluation: Evaluation, dataset: Dataset, settings: Settings, ledger: Path | None
) -> Evaluation:
    """Return the evaluation as `with_unjudged`, with the judge that the settings name, if any.

    Args:
        ledger: Where its verdicts are kept.

    Raises:
        UsageError: There is a judge, and no place to keep what it is paid for.
        ProviderError: The judge will answer no call at all.
    """
    told = settings.evaluate
    if told.judge is None:
        return with_unjudged(evaluation, dataset)
    if ledger is None:
        raise UsageError(
            "A judge is paid for, and there is no place to keep its verdicts. Name one with "
            "--out FOLDER or --ledger FILE."
        )
    ledger.parent.mkdir(parents=True, exist_ok=True)
    price = price_of(told.judge, told.judge_base_url)
    with open_model(settings.write, ledger, told.judge, told.judge_base_url, price) as judge:
        return with_unjudged(evaluation, dataset, judge=judge, budget_usd=told.judge_budget)


def with_unjudged(
    evaluation: Evaluation,
    dataset: Dataset,
    *,
    judge: LanguageModel | None = None,
    budget_usd: float | None = None,
) -> Evaluation:
    """Return the evaluation with the share of unjudged results, and with what a judge made of them.

    A passage is taken to answer if the judge says that it does fully. Each verdict is a row in the
    ledger the moment it is there; asking again about the same pair costs nothing.

    Args:
        judge: Whom to ask about the pool of all contenders' top results; None asks nobody.
        budget_usd: Most dollars for it, what was spent on these pairs before included.

    Raises:
        ProviderError: The judge will answer no call at all.
        UsageError: There is a budget but no price.
    """
    qrels, groups = dataset.qrels[evaluation.split], dataset.groups
    if judge is None:
        fraction = unjudged_fractions(evaluation.runs, qrels, groups=groups)
        return replace(evaluation, unjudged=Unjudged(k=POOL_DEPTH, fraction=fraction))
    pairs = pool(evaluation.runs, qrels, groups=groups)
    verdicts = _ask(pairs, dataset, judge, budget_usd)
    if len(verdicts) < len(pairs):
        say(f"judge: {len(pairs) - len(verdicts):,} of {len(pairs):,} pairs have no verdict")
    found = with_verdicts(
        evaluation.runs, qrels, verdicts, judge=judge.provider.name, groups=groups
    )
    return replace(evaluation, unjudged=found)


def _ask(
    pairs: Sequence[Pair], dataset: Dataset, judge: LanguageModel, budget_usd: float | None
) -> dict[Pair, bool]:
    """Return the verdict of each pair that has one."""
    name = judge.provider.name
    RELEVANCE.ask(
        judge.provider,
        RELEVANCE.wanted(_texts(pairs, dataset), name),
        judge.ledger,
        limits=judge.limits,
        per_million=judge.per_million,
        budget_usd=budget_usd,
        spent_usd=_spent_before(pairs, dataset, judge) if budget_usd is not None else 0.0,
        title="Judging the pool",
        total=len(pairs),
    )
    verdicts: dict[Pair, bool] = {}
    for pair, (question, passage) in zip(pairs, _texts(pairs, dataset), strict=True):
        verdict = RELEVANCE.find(question, passage, name, judge.ledger)
        if verdict is not None:
            verdicts[pair] = verdict.value >= FULLY
    return verdicts


def _spent_before(pairs: Sequence[Pair], dataset: Dataset, judge: LanguageModel) -> float:
    """Return what earlier runs paid for these pairs."""
    wanted = RELEVANCE.wanted(_texts(pairs, dataset), judge.provider.name)
    calls = (judge.ledger.find(item.key) for item in wanted)
    return sum(call.price_usd or 0.0 for call in calls if call is not None)


def _texts(pairs: Sequence[Pair], dataset: Dataset) -> Iterator[tuple[Question, Passage]]:
    for query_id, passage_id in pairs:
        query = dataset.queries[query_id]
        yield (
            Question(query.text, passage_id, query.kind, query.writer),
            dataset.corpus[passage_id],
        )
