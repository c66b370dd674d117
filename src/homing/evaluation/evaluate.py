"""Every contender on the same questions, with the same measures, intervals and paired tests."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from homing.dataset import Dataset
from homing.errors import UsageError
from homing.evaluation.contenders import Contender, build_retriever, in_building_order
from homing.evaluation.files import load_evaluation, save_evaluation
from homing.evaluation.measures import MEASURES, Measured, measure_run
from homing.evaluation.significance import cluster_bootstrap_columns, paired_difference_columns
from homing.progress import say
from homing.retrieval.models import find_model
from homing.retrieval.search import search
from homing.types import Comparison, ContenderResult, Evaluation, Interval, Retriever, Run

__all__ = ["evaluate", "evaluation_summary", "load_evaluation", "save_evaluation"]

DEPTH = 100
INTERVAL_MEASURES = (
    "hit@1", "hit@3", "hit@5", "hit@10", "mrr@10", "ndcg@10", "map@100", "recall@10",
)  # fmt: skip
COMPARED_MEASURES = ("hit@5", "mrr@10", "ndcg@10")
MIN_DOCUMENTS = 5
FEW_CLUSTERS = 20
BASELINE = "base"


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
) -> Evaluation:
    """Return how every contender did on the questions of one split, over the whole corpus.

    Intervals and tests resample documents if at least `MIN_DOCUMENTS` of them have questions, else
    passages (near-duplicates together); a question that several answer goes with the first.

    Args:
        split: Whose questions are asked; those without a relevant passage are left out and noted.
        baseline: Name of the contender that the others are compared with; None takes "base" if
            there is one, else the first.
        seed: Of the bootstrap and the randomisation test; nothing else is random.
        cache_folder: Where vectors are kept between runs; None keeps none.
        max_tokens: Longest input of every model; None takes each model's own.
        language: For BM25; "" guesses.

    Raises:
        UsageError: If the split, the baseline or the contenders are not sound.
        ModelNotFoundError: If a model cannot be had; found out before any work is done.
    """
    ordered = in_building_order(contenders)
    baseline = _pick_baseline(contenders, baseline)
    relevant = _questions_with_answers(dataset, split)
    options = {"cache_folder": cache_folder, "max_tokens": max_tokens, "language": language}
    runs, seconds = _run_all(dataset, ordered, list(relevant), options)
    measured = _measure_all(dataset, split, {c.name: runs[c.name] for c in contenders})
    unit, clusters = _clusters(dataset, relevant)
    return Evaluation(
        split=split,
        n_queries=len(relevant),
        n_passages=dataset.n_passages,
        query_ids=tuple(relevant),
        contenders=_results(contenders, measured, seconds, clusters, seed),
        comparisons=_comparisons(measured, baseline, clusters, seed),
        by_query={name: m.values for name, m in measured.items()},
        runs={c.name: runs[c.name] for c in contenders},
        cluster_unit=unit,
        query_source=_query_source(dataset, relevant),
        notes=_notes(dataset, split, relevant, unit, len(set(clusters))),
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


def _run_all(
    dataset: Dataset,
    ordered: Sequence[Contender],
    query_ids: Sequence[str],
    options: Mapping[str, Any],
) -> tuple[dict[str, Run], dict[str, float]]:
    """Return each contender's run and its wall time; a fusion's includes its members'."""
    for contender in ordered:  # a model that is missing must not cost the others' time
        if contender.model_spec is not None:
            find_model(contender.model_spec)
    texts, passage_ids = dataset.passage_texts(), dataset.passage_ids()
    queries = [dataset.queries[query_id].text for query_id in query_ids]
    built: dict[str, Retriever] = {}
    runs: dict[str, Run] = {}
    seconds: dict[str, float] = {}
    for contender in ordered:
        say(f"Evaluating {contender.name} ({contender.spec}) on {len(queries):,} questions")
        started = time.monotonic()
        retriever = build_retriever(contender, texts, built, **options)
        built[contender.name] = retriever
        runs[contender.name] = search(retriever, query_ids, queries, passage_ids, DEPTH)
        fusion = contender.fusion
        members = sum(seconds[name] for name in (fusion.a, fusion.b)) if fusion else 0.0
        seconds[contender.name] = time.monotonic() - started + members
    return runs, seconds


def _measure_all(dataset: Dataset, split: str, runs: Mapping[str, Run]) -> dict[str, Measured]:
    qrels, groups = dataset.qrels[split], dataset.groups
    measured = {name: measure_run(run, qrels, groups=groups) for name, run in runs.items()}
    assert all(measured[name].query_ids == run.query_ids for name, run in runs.items())
    return measured


def _clusters(dataset: Dataset, relevant: Mapping[str, Mapping[str, int]]) -> tuple[str, list[str]]:
    """Return the unit that questions go together by, and each question's own."""
    passages = [next(iter(grades)) for grades in relevant.values()]
    documents = [dataset.corpus[p].document_id for p in passages]
    # Imported sets may know no documents: each passage is then one of its own.
    knows_documents = len({p.document_id for p in dataset.corpus.values()}) < dataset.n_passages
    if knows_documents and len(set(documents)) >= MIN_DOCUMENTS:
        return "document", documents
    return "passage", [dataset.groups.get(p, p) for p in passages]


def _results(
    contenders: Sequence[Contender],
    measured: Mapping[str, Measured],
    seconds: Mapping[str, float],
    clusters: Sequence[str],
    seed: int,
) -> dict[str, ContenderResult]:
    cells = [(c.name, measure) for c in contenders for measure in INTERVAL_MEASURES]
    columns = np.stack([measured[name].values[measure] for name, measure in cells], axis=1)
    found = cluster_bootstrap_columns(columns, clusters, seed=seed)
    intervals: dict[str, dict[str, Interval]] = {}
    for (name, measure), interval in zip(cells, found, strict=True):
        intervals.setdefault(name, {})[measure] = interval
    return {
        c.name: ContenderResult(
            c.name, c.spec, measured[c.name].means(), intervals[c.name], seconds[c.name]
        )
        for c in contenders
    }


def _comparisons(
    measured: Mapping[str, Measured], baseline: str, clusters: Sequence[str], seed: int
) -> tuple[Comparison, ...]:
    theirs = measured[baseline].values
    cells = [(name, m) for name in measured if name != baseline for m in COMPARED_MEASURES]
    if not cells:
        return ()
    columns = np.stack([measured[name].values[m] - theirs[m] for name, m in cells], axis=1)
    found = paired_difference_columns(columns, clusters, seed=seed)
    return tuple(
        Comparison(name, baseline, measure, difference, p_value)
        for (name, measure), (difference, p_value) in zip(cells, found, strict=True)
    )


def _query_source(dataset: Dataset, query_ids: Mapping[str, object]) -> str:
    writers = {dataset.queries[query_id].writer for query_id in query_ids}
    kinds = {"people" if w == "person" else "written" if w else "unknown" for w in writers}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _notes(
    dataset: Dataset, split: str, relevant: Mapping[str, object], unit: str, n_clusters: int
) -> tuple[str, ...]:
    """Return what a reader of the numbers has to know, in sentences."""
    notes = []
    judged = {qrel.query_id for qrel in dataset.qrels[split]}
    n_excluded = len(judged) - len(relevant)
    if n_excluded:
        were = "question was" if n_excluded == 1 else "questions were"
        notes.append(f"{n_excluded:,} {were} left out: no passage is known to answer it.")
    source = _query_source(dataset, relevant)
    if source in ("written", "mixed"):
        writers = {dataset.queries[query_id].writer for query_id in relevant}
        names = ", ".join(sorted(w for w in writers if w and w != "person"))
        share = "The" if source == "written" else "Some of the"
        notes.append(
            f"{share} questions were written by {names}, not asked by people; such questions "
            "favour whatever finds their writer's words."
        )
    if n_clusters < FEW_CLUSTERS:
        notes.append(
            f"The questions come from {n_clusters:,} {unit}s only: intervals and tests over so few "
            "are rough, and the intervals too narrow."
        )
    return tuple(notes)


def evaluation_summary(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain data, for `--json`: the usual measures and the comparisons."""
    return {
        "split": evaluation.split,
        "n_queries": evaluation.n_queries,
        "n_passages": evaluation.n_passages,
        "query_source": evaluation.query_source,
        "cluster_unit": evaluation.cluster_unit,
        "contenders": {
            name: {measure: result.measures[measure] for measure in MEASURES}
            for name, result in evaluation.contenders.items()
        },
        "intervals": {
            name: {m: [i.low, i.high] for m, i in result.intervals.items()}
            for name, result in evaluation.contenders.items()
        },
        "comparisons": [
            {
                "name": c.name,
                "baseline": c.baseline,
                "measure": c.measure,
                "difference": c.difference.value,
                "low": c.difference.low,
                "high": c.difference.high,
                "p_value": c.p_value,
            }
            for c in evaluation.comparisons
        ],
        "notes": list(evaluation.notes),
    }
