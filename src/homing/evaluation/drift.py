"""How far tuning moved the space: of the user's passages, and of sentences about anything.

Exact. Cost: one product of vectors for every pair of the sampled passages, in blocks; the probe
embeds 120 short sentences with each model.
"""

from __future__ import annotations

from importlib import resources

import numpy as np

from homing.retrieval.search import top_k
from homing.retrieval.stacked import Vectors
from homing.types import Drift, Encoder, FloatArray, IntArray, Values

MAX_SAMPLE = 5_000
"""So many passages have their neighbours compared; all of them have their own vectors compared."""
N_NEIGHBOURS = 10
SAME = 1e-6
"""Parts of a unit vector that differ by less are the same but for rounding."""
_BLOCK = 512
_ROWS = 65_536
"""Of vectors in files that are looked at together."""


def measure_drift(
    base_vectors: Vectors, tuned_vectors: Vectors, *, probe: float | None = None
) -> Drift:
    """Return how the tuned model's vectors of the same passages differ from the base model's.

    A corpus of one passage keeps all of its (no) neighbours. Where there are more than
    `MAX_SAMPLE` passages, neighbours are looked for among so many of them, always the same.

    Args:
        base_vectors: Unit vectors, float32 (n, dimensions).
        tuned_vectors: Of the same passages in the same order, and of the same length.
        probe: What `probe_correlation` gave.

    Raises:
        ValueError: If there are no vectors, or the shapes differ.
    """
    if base_vectors.shape != tuned_vectors.shape or len(base_vectors) == 0:
        raise ValueError(
            f"Vectors of shape {base_vectors.shape} and {tuned_vectors.shape} cannot be compared."
        )
    cosines = np.clip(_cosines(base_vectors, tuned_vectors), -1.0, 1.0)  # but for rounding
    rows = _sample(len(base_vectors))
    return Drift(
        mean_cosine=float(cosines.mean()),
        p05_cosine=float(np.percentile(cosines, 5)),
        neighbours_kept=_neighbours_kept(base_vectors[rows], tuned_vectors[rows]),
        must_rebuild=not _are_same(base_vectors, tuned_vectors),
        probe=probe,
    )


def probe_correlation(base: Encoder, tuned: Encoder) -> float:
    """Return how alike two models see general sentences, in [-1, 1]; 1.0 for the same model.

    Spearman's correlation of their similarities over all pairs of `probe_sentences`; 0.0 where a
    model finds all pairs equally alike.
    """
    sentences = [sentence for topic in probe_sentences() for sentence in topic]
    above = np.triu_indices(len(sentences), k=1)
    first, second = (
        (vectors @ vectors.T)[above]
        for vectors in (base.encode_passages(sentences), tuned.encode_passages(sentences))
    )
    return spearman(first, second)


def probe_sentences() -> list[tuple[str, str, str]]:
    """Return 40 topics of everyday life, three sentences each.

    The first two mean nearly the same in different words, the third says something else about the
    same thing.
    """
    text = resources.files("homing.evaluation").joinpath("general/probe.txt").read_text("utf-8")
    topics = [tuple(block.split("\n")) for block in text.strip().split("\n\n")]
    return [(a, b, c) for a, b, c in topics]


def spearman(a: FloatArray, b: FloatArray) -> float:
    """Return Spearman's rank correlation, equal values sharing the mean of their ranks.

    0.0 where all values of a side are equal. As scipy.stats.spearmanr.
    """
    first, second = _ranks(a), _ranks(b)
    first, second = first - first.mean(), second - second.mean()
    spread = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / spread if spread else 0.0


def _ranks(values: FloatArray) -> Values:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Values = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def _cosines(base: Vectors, tuned: Vectors) -> Values:
    """Return the cosine of each vector before and after, float64 (n,)."""
    blocks = (slice(start, start + _ROWS) for start in range(0, len(base), _ROWS))
    return np.concatenate(
        [np.einsum("ij,ij->i", base[rows], tuned[rows], dtype=np.float64) for rows in blocks]
    )


def _are_same(base: Vectors, tuned: Vectors) -> bool:
    blocks = (slice(start, start + _BLOCK) for start in range(0, len(base), _BLOCK))
    return all(np.allclose(base[rows], tuned[rows], rtol=0, atol=SAME) for rows in blocks)


def _sample(n: int) -> IntArray:
    rows: IntArray = np.arange(n)
    if n > MAX_SAMPLE:
        rows = np.sort(np.random.default_rng(0).choice(n, MAX_SAMPLE, replace=False))
    return rows


def _neighbours_kept(base: FloatArray, tuned: FloatArray) -> float:
    k = min(N_NEIGHBOURS, len(base) - 1)
    if k == 0:
        return 1.0
    n_kept = 0
    for start in range(0, len(base), _BLOCK):
        before, after = _neighbours(base, start, k), _neighbours(tuned, start, k)
        n_kept += int((before[:, :, None] == after[:, None, :]).sum())
    return n_kept / (k * len(base))


def _neighbours(vectors: FloatArray, start: int, k: int) -> IntArray:
    """Return the `k` nearest of a block of rows, each row itself left out."""
    similarities = vectors[start : start + _BLOCK] @ vectors.T
    rows = np.arange(len(similarities))
    similarities[rows, start + rows] = -np.inf
    return top_k(similarities, k)[0]
