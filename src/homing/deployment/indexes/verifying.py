"""Whether a store gives back what was put in: vectors, and the search over them.

The reference is our own exact search over the vectors as the store holds them, streamed; and the
encoder itself for a sample of them. Cost: every vector is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from homing.deployment.indexes.base import Hit, Store
from homing.deployment.indexes.indexing import Records
from homing.deployment.indexes.records import Record
from homing.errors import StoreError
from homing.progress import muted, say
from homing.retrieval.nearest import nearest
from homing.types import Encoder, FloatArray

SAMPLED_PASSAGES = 64
SAMPLED_QUESTIONS = 100
K = 10
TIE = 1e-5
"""Cosines that differ by less may stand in either order: a store computes in float32."""
SAME_TEXT = 0.999
"""Least cosine of a stored vector and the encoder's: in bfloat16 a vector depends a little on the
batch in which it was computed."""
LOW_RECALL = 0.95


@dataclass(frozen=True, slots=True)
class Verified:
    """What was seen when a store was asked.

    Attributes:
        n_stored: Passages it counts.
        n_sampled: Passages whose stored vectors were set against the encoder's.
        n_bit_identical: Of them, those that agree in every bit.
        least_cosine: Of such a pair.
        largest_difference: Between two numbers of such a pair.
        n_found_first: Sampled passages that find themselves first, or level with an equal.
        k: How many passages were looked at for a question.
        n_same_top_k: Questions for which it finds what exact search finds.
        recall: Share of the passages that exact search finds; None without questions.
    """

    n_stored: int
    n_sampled: int
    n_bit_identical: int
    least_cosine: float
    largest_difference: float
    n_found_first: int
    is_exact: bool
    k: int
    n_questions: int
    n_same_top_k: int
    recall: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the values by name."""
        return asdict(self)


def verify(
    store: Store, records: Records, n_passages: int, encoder: Encoder, questions: Sequence[str]
) -> Verified:
    """Return how a store answers; it must hold what `records` gives.

    Args:
        n_passages: How many that is.
        questions: Real ones, such as test questions; the first hundred are asked.

    Raises:
        StoreError: A vector is not the encoder's, or a store that says it is exact is not.
    """
    sample = list(_sample(records(), n_passages))
    with muted():
        own = encoder.encode_passages([record.embedded for record in sample])
        asked = encoder.encode_queries(list(questions)[:SAMPLED_QUESTIONS])
    stored, best = _read_back(store, [r.id for r in sample], asked)
    found = store.search(np.concatenate([stored, asked]), K)
    n_same, recall = _agreement(found[len(sample) :], best)
    verified = Verified(
        n_stored=store.count(),
        n_sampled=len(sample),
        n_bit_identical=int((stored == own).all(axis=1).sum()),
        least_cosine=_least_cosine(stored, own),
        largest_difference=float(np.abs(stored - own).max()),
        n_found_first=sum(
            _finds_itself(record, hits, vector)
            for record, hits, vector in zip(sample, found, stored, strict=False)
        ),
        is_exact=store.is_exact,
        k=K,
        n_questions=len(asked),
        n_same_top_k=n_same,
        recall=recall,
    )
    _check(verified)
    return verified


def _sample(records: Iterator[Record], n_passages: int) -> Iterator[Record]:
    """Yield passages from all over the corpus, the same ones each time."""
    step = max(1, n_passages // SAMPLED_PASSAGES)
    for number, record in enumerate(records):
        if number % step == 0 and number // step < SAMPLED_PASSAGES:
            yield record


def _read_back(
    store: Store, ids: Sequence[str], queries: FloatArray
) -> tuple[FloatArray, list[list[tuple[str, float]]]]:
    """Return the stored vectors of some ids, and for each query the best (id, score) of all."""
    places = {passage_id: row for row, passage_id in enumerate(ids)}
    stored = np.full((len(ids), queries.shape[1]), np.nan, dtype=np.float32)
    best: list[list[tuple[str, float]]] = [[] for _ in queries]
    for block, vectors in store.vectors():
        for row, passage_id in enumerate(block):
            if passage_id in places:
                stored[places[passage_id]] = vectors[row]
        positions, scores = nearest(queries, vectors, min(K, len(block)))
        for row, top in enumerate(best):
            new = zip(positions[row], scores[row], strict=True)
            top += [(block[at], float(score)) for at, score in new]
            best[row] = sorted(top, key=lambda pair: -pair[1])[:K]
    return stored, best


def _least_cosine(stored: FloatArray, own: FloatArray) -> float:
    """Return the least cosine of two rows, 1.0 where both are all zeros."""
    cosines = np.einsum("ij,ij->i", stored, own, dtype=np.float64)
    are_zero = ~stored.any(axis=1) & ~own.any(axis=1)
    return float(np.where(are_zero, 1.0, cosines).min())


def _finds_itself(record: Record, hits: Sequence[Hit], vector: FloatArray) -> bool:
    if not vector.any():
        return True  # a text without a known word is like nothing, itself included
    level = [hit.id for hit in hits if hit.score >= hits[0].score - TIE]
    # Where more passages say the same than are looked at, which of them come is nobody's fault.
    return record.id in level or (len(level) == K and hits[0].score >= 1 - TIE)


def _agreement(
    found: Sequence[Sequence[Hit]], best: Sequence[Sequence[tuple[str, float]]]
) -> tuple[int, float | None]:
    """Return for how many questions both found the same, and the share of what was to be found."""
    n_right = n_wanted = n_same = 0
    for hits, exact in zip(found, best, strict=True):
        last = exact[-1][1]
        wanted = {passage_id for passage_id, _ in exact}
        right = sum(hit.id in wanted or hit.score >= last - TIE for hit in hits)
        n_right, n_wanted = n_right + right, n_wanted + len(exact)
        n_same += right == len(exact)
    return n_same, n_right / n_wanted if n_wanted else None


def _check(seen: Verified) -> None:
    if not seen.least_cosine >= SAME_TEXT:
        raise StoreError(
            "A vector read back from the store has a cosine of "
            f"{seen.least_cosine:.4f} with the model's own. Fill it anew with --replace."
        )
    is_whole = seen.n_found_first == seen.n_sampled and seen.n_same_top_k == seen.n_questions
    if seen.is_exact and not is_whole:
        raise StoreError(
            f"Of {seen.n_sampled} passages {seen.n_found_first} found themselves first, and of "
            f"{seen.n_questions} questions {seen.n_same_top_k} found what exact search finds, in a "
            "store that compares with every vector. Fill it anew with --replace."
        )
    if seen.recall is not None and seen.recall < LOW_RECALL:
        say(
            f"index: the approximate search of this store finds {seen.recall:.1%} of what exact "
            "search finds; see docs/stores.md for what raises that"
        )
