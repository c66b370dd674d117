"""What tuning breaks and what contenders cost, found with the retrievers of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from homing.dataset import Dataset
from homing.dataset.texts import texts_of
from homing.errors import UsageError
from homing.evaluation.costs import measure_costs
from homing.evaluation.drift import measure_drift, probe_correlation
from homing.evaluation.forgetting import measure_forgetting
from homing.evaluation.general.sets import GeneralSet, find_general_set, n_shared_passages
from homing.progress import say
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.recorded import RecordedRetriever
from homing.types import Cost, Drift, Evaluation, Retriever
from homing.workspace import hash_file

FEW_SHARED = 5
"""So many passages may be in both by chance, such as a licence."""
DATASET_PARTS = ("corpus", "queries", "qrels", "corpus.jsonl", "queries.jsonl")


def check_pair(names: Sequence[str], *, base: str, tuned: str) -> None:
    """Raise `UsageError` unless both contenders are there to be set against each other."""
    if base not in names or tuned not in names:
        raise UsageError(
            f"What tuning forgot is told of a contender called {tuned} and one called {base}. Name "
            f"them so: --contender {base}=MODEL --contender {tuned}=FOLDER. There are: "
            f"{', '.join(names)}."
        )


def general_inputs(specs: Sequence[str]) -> dict[str, str]:
    """Return name -> SHA-256 of every file of the general sets that are datasets on this disk."""
    hashes: dict[str, str] = {}
    for spec in specs:
        path = Path(spec).expanduser()
        for part in [path] if path.is_file() else [path / name for name in DATASET_PARTS]:
            files = sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]
            hashes |= {f"general set {file}": hash_file(file) for file in files if file.is_file()}
    return hashes


def general_sets(
    specs: Sequence[str], own: Dataset
) -> tuple[tuple[GeneralSet, ...], tuple[str, ...]]:
    """Return the general sets that are not the user's own data, and a note on each that is.

    Raises:
        HomingError: A set is nowhere to be had.
    """
    found = [find_general_set(spec) for spec in specs]
    shared = [n_shared_passages(general.dataset, own) for general in found]
    notes = tuple(
        f"What tuning forgot was not measured on {general.name}: {n:,} of your passages are in it, "
        "so that it is not general."
        for general, n in zip(found, shared, strict=True)
        if n > FEW_SHARED
    )
    kept = tuple(g for g, n in zip(found, shared, strict=True) if n <= FEW_SHARED)
    return kept, notes


def with_breakage(
    evaluation: Evaluation,
    built: Mapping[str, Retriever],
    general: Sequence[GeneralSet],
    *,
    base: str,
    tuned: str,
    seed: int,
) -> Evaluation:
    """Return the evaluation with what tuning did to general questions and to the space.

    Where one of the two is no embedding model there is nothing to tell, and a note says so.

    Args:
        built: Contender -> its retriever over the corpus.
        base: Name of the contender before tuning.
        tuned: And after.
    """
    before, after = built[base], built[tuned]
    if not isinstance(before, DenseRetriever) or not isinstance(after, DenseRetriever):
        note = f"What tuning forgot was not measured: {base} or {tuned} is no embedding model."
        return replace(evaluation, notes=(*evaluation.notes, note))
    return replace(
        evaluation,
        forgetting=measure_forgetting(before.encoder, after.encoder, general, seed),
        drift=_drift(before, after),
    )


def with_measured_costs(
    evaluation: Evaluation, built: Mapping[str, Retriever], dataset: Dataset
) -> Evaluation:
    """Return the evaluation with what each contender costs on this machine, timed now."""
    questions = [dataset.queries[query_id].text for query_id in evaluation.query_ids]
    here = {n: r for n, r in built.items() if not isinstance(r, RecordedRetriever)}
    costs = measure_costs(here, texts_of(dataset), questions)
    return replace(evaluation, costs={n: costs[n] for n in evaluation.contenders if n in costs})


def with_costs(evaluation: Evaluation, saved: Mapping[str, Mapping[str, Any]]) -> Evaluation:
    """Return the evaluation with the costs that its summary in a manifest keeps."""
    return replace(evaluation, costs={name: Cost(**values) for name, values in saved.items()})


def _drift(before: DenseRetriever, after: DenseRetriever) -> Drift | None:
    """Return how far the passages moved, None where the two models' vectors cannot be compared."""
    if before.vectors.shape != after.vectors.shape:
        return None
    say("Measuring how far tuning moved the passages")
    probe = probe_correlation(before.encoder, after.encoder)
    return measure_drift(before.vectors, after.vectors, probe=probe)
