"""One question before a store that was filled: what its own search finds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from homing.dataset import Dataset, load_dataset
from homing.deployment.backends import Backend
from homing.deployment.indexes.base import Hit
from homing.deployment.indexes.indexing import check_facts, facts_of
from homing.deployment.indexes.locations import parse_location
from homing.deployment.indexes.opening import open_store
from homing.errors import UsageError
from homing.pipeline.copies import on_copies
from homing.pipeline.indexing import model_encoder, model_name
from homing.pipeline.searching import Finding, Searched, right_groups


@on_copies(write=False)
def search_store(
    source: str | Path,
    question: str,
    to: str,
    *,
    model: str | Path | None = None,
    backend: Backend = "torch",
    k: int = 5,
) -> Searched:
    """Return the first `k` passages that a store finds for a question.

    Args:
        source: A workspace, whose tuned model embeds the question, or any dataset with a `model`.
        to: Where the store is, such as "lancedb:./db".
        model: As for `index`, which filled the store; as `backend`.
        k: From 1.

    Raises:
        UsageError: The question is empty, or the store holds no vectors of this model.
        ModelNotFoundError: The model cannot be had.
        MissingDependencyError: Without the extra of the store or the backend.
        StoreError: The store fails.
    """
    if not question.strip():
        raise UsageError("The question is empty: homing search DATASET 'how do I …'.")
    location = parse_location(to)
    with closing(open_store(location, write=False)) as store:
        there = store.facts()
        if there is None:
            raise UsageError(
                f"There is no index at {location}. Make it with: homing index {source} --to "
                f"{location}"
            )
        name = model_name(source, model, backend)
        encoder = model_encoder(source, name, backend)
        check_facts(there, facts_of(encoder, name), str(location))
        (hits,) = store.search(encoder.encode_queries([question]), k)
    dataset = load_dataset(source)
    right = right_groups(dataset, question)
    findings = [
        _finding(hit, rank, location.kind, dataset, right) for rank, hit in enumerate(hits, start=1)
    ]
    return Searched(question, (location.kind,), tuple(findings))


def _finding(hit: Hit, rank: int, name: str, dataset: Dataset, right: set[str] | None) -> Finding:
    return Finding(
        passage_id=hit.id,
        title=str(hit.metadata.get("title", "")),
        page=hit.metadata.get("page"),
        text=hit.text,
        ranks={name: rank},
        scores={name: hit.score},
        is_right=None if right is None else dataset.group_of(hit.id) in right,
    )
