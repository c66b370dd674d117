"""Every contender on the same questions, with the same measures, intervals and paired tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from homing.dataset import Dataset
from homing.dataset.texts import texts_of
from homing.errors import UsageError
from homing.evaluation.building import Builder, Searched
from homing.evaluation.certainty import compare
from homing.evaluation.contenders import Contender, in_building_order
from homing.evaluation.files import load_evaluation, save_evaluation
from homing.evaluation.measures import ALL_MEASURES, BUDGET, Measured, measure_run
from homing.evaluation.overlap import copied_fraction, shared_fractions
from homing.evaluation.questions import cluster_questions, describe_questions, question_source
from homing.evaluation.significance import cluster_bootstrap_columns
from homing.evaluation.slices import find_slices
from homing.evaluation.summary import evaluation_summary
from homing.llm.tokens import estimate_tokens
from homing.progress import say
from homing.retrieval.search import search
from homing.types import ContenderResult, Evaluation, Interval, Retriever, Run

__all__ = ["evaluate", "evaluation_summary", "load_evaluation", "save_evaluation"]

DEPTH = 100
INTERVAL_MEASURES = (
    "hit@1", "hit@3", "hit@5", "hit@10", "mrr@10", "ndcg@10", "map@100", "recall@10",
)  # fmt: skip
BASELINE = "base"


@dataclass(frozen=True, slots=True)
class Found:
    """What the contenders found, by name.

    Attributes:
        seconds: Wall time of each; that of its members is part of it.
        chosen: What was chosen on dev for the fusions that left it open.
    """

    runs: Mapping[str, Run]
    seconds: Mapping[str, float]
    chosen: Mapping[str, str]


def evaluate(
    dataset: Dataset,
    contenders: Sequence[Contender],
    *,
    split: str,
    baseline: str | None = None,
    seed: int = 0,
    cache_folder: Path | None = None,
    max_tokens: int | None = None,
    language: str = "",
    base_url: str | None = None,
    ledger: Path | None = None,
    document_paths: Mapping[str, str] | None = None,
    on_built: Callable[[str, Retriever], None] | None = None,
    searched: Searched | None = None,
) -> Evaluation:
    """Return how every contender did on the questions of one split, over the whole corpus.

    Intervals and tests resample documents or passages, as `cluster_questions` has it. There is no
    verdict yet: `decided` gives it, once all that it rests on has been measured.

    Args:
        split: Whose questions are asked; those without a relevant passage are left out and noted.
        baseline: Name of the contender that the others are compared with; None takes "base" if
            there is one, else the first.
        seed: Of the bootstrap and the randomisation test; nothing else is random.
        cache_folder: Where vectors are kept between runs; None keeps none.
        max_tokens: Longest input of every model; None takes each model's own.
        language: For BM25; "" guesses.
        base_url: Where endpoints answer that name no address of their own.
        ledger: The file that keeps the vectors that endpoints were paid for; None keeps none.
        document_paths: Document id -> path, by which slices are called; else they go by the id.
        on_built: Called with each contender's name and its retriever, which has answered.
        searched: Makes retrievers of encoders, such as over vectors too many for memory.

    Raises:
        UsageError: If the split, the baseline or the contenders are not sound.
        ModelNotFoundError: If a model cannot be had; found out before any work is done.
        ProviderError: If an endpoint answers nothing; found out before any work is done.
        MissingDependencyError: If the library of a contender is not installed.
    """
    ordered = in_building_order(contenders)
    baseline = _pick_baseline(contenders, baseline)
    relevant = _questions_with_answers(dataset, split)
    builder = Builder(
        dataset,
        ordered,
        split=split,
        cache_folder=cache_folder,
        max_tokens=max_tokens,
        language=language,
        base_url=base_url,
        ledger=ledger,
        searched=searched,
    )
    found = _search_all(dataset, ordered, list(relevant), builder)
    if on_built is not None:
        for name, retriever in builder.built.items():
            on_built(name, retriever)
    return _measured(
        dataset,
        contenders,
        found,
        relevant,
        split=split,
        baseline=baseline,
        seed=seed,
        language=language,
        document_paths=document_paths,
    )


def _pick_baseline(contenders: Sequence[Contender], asked: str | None) -> str:
    names = [contender.name for contender in contenders]
    if asked is None:
        return BASELINE if BASELINE in names else names[0]
    if asked not in names:
        raise UsageError(f"The baseline {asked!r} is not among the contenders: {', '.join(names)}.")
    return asked


def _questions_with_answers(dataset: Dataset, split: str) -> dict[str, dict[str, int]]:
    relevant = dataset.split(split)
    if not relevant:
        raise UsageError(f"The split {split!r} holds no question with a relevant passage.")
    return relevant


def _search_all(
    dataset: Dataset, ordered: Sequence[Contender], query_ids: Sequence[str], builder: Builder
) -> Found:
    """Build each contender and ask it every question."""
    passage_ids = dataset.passage_ids()
    queries = [dataset.queries[query_id].text for query_id in query_ids]
    runs: dict[str, Run] = {}
    seconds: dict[str, float] = {}
    for contender in ordered:
        say(f"Evaluating {contender.name} ({contender.spec}) on {len(queries):,} questions")
        builder.settle(contender)  # once, and so no part of what the contender takes
        started = time.monotonic()
        retriever = builder.build(contender)
        runs[contender.name] = search(retriever, query_ids, queries, passage_ids, DEPTH)
        members = sum(seconds[name] for name in contender.members)
        seconds[contender.name] = time.monotonic() - started + members
    return Found(runs, seconds, builder.chosen)


def _measured(
    dataset: Dataset,
    contenders: Sequence[Contender],
    found: Found,
    relevant: Mapping[str, Mapping[str, int]],
    *,
    split: str,
    baseline: str,
    seed: int,
    language: str,
    document_paths: Mapping[str, str] | None,
) -> Evaluation:
    """Return what the runs are worth: measures, intervals, paired tests and slices."""
    runs = {c.name: found.runs[c.name] for c in contenders}
    measured = _measure_all(dataset, split, runs)
    by_query = {name: m.values for name, m in measured.items()}
    unit, clusters = cluster_questions(dataset, relevant)
    shared = shared_fractions(dataset, relevant, language=language)
    return Evaluation(
        split=split,
        n_queries=len(relevant),
        n_passages=dataset.n_passages,
        query_ids=tuple(relevant),
        contenders=_results(contenders, measured, found, clusters, seed),
        comparisons=compare(by_query, baseline, clusters, seed=seed),
        by_query=by_query,
        runs=runs,
        cluster_unit=unit,
        query_source=question_source(dataset, relevant),
        notes=describe_questions(dataset, split, relevant),
        clusters=tuple(clusters),
        baseline=baseline,
        copied_fraction=copied_fraction(shared),
        slices=find_slices(
            dataset,
            relevant,
            by_query,
            clusters,
            baseline=baseline,
            shared=shared,
            paths=document_paths,
            seed=seed,
        ),
    )


def _measure_all(dataset: Dataset, split: str, runs: Mapping[str, Run]) -> dict[str, Measured]:
    qrels, groups = dataset.qrels[split], dict(dataset.groups)
    tokens = [estimate_tokens(text) for text in texts_of(dataset)]
    measured = {
        name: measure_run(
            run, qrels, groups=groups, names=(*ALL_MEASURES, BUDGET), passage_tokens=tokens
        )
        for name, run in runs.items()
    }
    assert all(measured[name].query_ids == run.query_ids for name, run in runs.items())
    return measured


def _results(
    contenders: Sequence[Contender],
    measured: Mapping[str, Measured],
    found: Found,
    clusters: Sequence[str],
    seed: int,
) -> dict[str, ContenderResult]:
    cells = [(c.name, measure) for c in contenders for measure in INTERVAL_MEASURES]
    columns = np.stack([measured[name].values[measure] for name, measure in cells], axis=1)
    bootstrapped = cluster_bootstrap_columns(columns, clusters, seed=seed)
    intervals: dict[str, dict[str, Interval]] = {}
    for (name, measure), interval in zip(cells, bootstrapped, strict=True):
        intervals.setdefault(name, {})[measure] = interval
    return {
        c.name: ContenderResult(
            c.name,
            c.spec,
            measured[c.name].means(),
            intervals[c.name],
            found.seconds[c.name],
            found.chosen.get(c.name, ""),
        )
        for c in contenders
    }
