"""What tuning cost elsewhere: tuned against base on questions that are not the user's.

Cost: each model embeds each set once; encoders that keep vectors spare the base the next time.
"""

from __future__ import annotations

from collections.abc import Sequence

from homing.evaluation.general.sets import GeneralSet
from homing.evaluation.measures import Measured, measure_run
from homing.evaluation.significance import paired_difference
from homing.progress import say
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.search import search
from homing.types import Encoder, Forgetting, Interval

MEASURE = "ndcg@10"
DEPTH = 100


def measure_forgetting(
    base: Encoder, tuned: Encoder, sets: Sequence[GeneralSet], seed: int
) -> tuple[Forgetting, ...]:
    """Return how both models do on each general set, and the paired difference.

    Questions that the same passage answers are resampled together.

    Args:
        base: The model before tuning.
        tuned: And after; one with the same key is not measured again.
        sets: Each with at least one question that has an answer.
        seed: Of the bootstrap.
    """
    return tuple(_forgetting(base, tuned, general, seed) for general in sets)


def _forgetting(base: Encoder, tuned: Encoder, general: GeneralSet, seed: int) -> Forgetting:
    relevant = general.dataset.split(general.split)
    say(
        f"Measuring what tuning forgot on {general.name}: {len(relevant):,} questions over "
        f"{general.dataset.n_passages:,} passages"
    )
    before = measure_general(base, general)
    is_same = tuned.key == base.key
    after = before if is_same else measure_general(tuned, general)
    answers = [next(iter(relevant[query_id])) for query_id in before.query_ids]
    clusters = [general.dataset.group_of(passage_id) for passage_id in answers]
    ours, theirs = after.values[MEASURE], before.values[MEASURE]
    difference, _ = paired_difference(ours, theirs, clusters, seed=seed)
    return Forgetting(
        name=general.name,
        n_queries=len(before.query_ids),
        n_passages=general.dataset.n_passages,
        measure=MEASURE,
        base=float(theirs.mean()),
        tuned=float(ours.mean()),
        # Of the same model there is nothing to be unsure about.
        difference=Interval(0.0, 0.0, 0.0) if is_same else difference,
    )


def measure_general(encoder: Encoder, general: GeneralSet) -> Measured:
    """Return how an encoder does on a general set, question by question."""
    dataset = general.dataset
    ids = list(dataset.split(general.split))
    retriever = DenseRetriever(encoder, dataset.passage_texts())
    questions = [dataset.queries[query_id].text for query_id in ids]
    run = search(retriever, ids, questions, dataset.passage_ids(), DEPTH)
    qrels = dataset.qrels[general.split]
    return measure_run(run, qrels, groups=dataset.groups, names=(MEASURE,))
