"""Fitting a map of question vectors: full, of low rank, or with two layers.

Every kind starts as the identity and is pulled to it by `pull` times

* ‖W − I‖² for "linear" and "low-rank" (W = I + outer · inner);
* ‖outer‖² + ‖inner − start‖² + ‖bias‖² for "two-layer", whose inner layer starts at random and
  whose outer one starts at zero.

"low-rank" begins with the best approximation of the linear fit and goes on from there. Cost for 668
questions, 334 passages and 384 dimensions: about 20 evaluations, half a second on one core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homing.retrieval.query_map import QueryMap, identity
from homing.training.adapting import CorpusLoss, Pairs, calibrated_tau, reciprocal_rank
from homing.training.minimising import minimise
from homing.training.settings import AdapterSettings
from homing.types import FloatArray

OVERSAMPLED = 10
"""Columns beyond the rank in the randomised decomposition (arXiv 0909.4061)."""
POWERS = 3


@dataclass(frozen=True, slots=True)
class Fit:
    """A map and how it came about.

    Attributes:
        losses: At the start and after each step, pull included.
        tau: The temperature it was fitted with.
    """

    map: QueryMap
    losses: list[float]
    tau: float


def fit_map(pairs: Pairs, settings: AdapterSettings, *, seed: int) -> Fit:
    """Return the map that finds most of the pairs, near to the identity."""
    tau = settings.temperature or calibrated_tau(pairs)
    loss = CorpusLoss(pairs, tau)
    if settings.kind == "two-layer":
        query_map, losses = _two_layer(loss, settings, seed)
    else:
        query_map, losses = _linear(loss, settings)
        if settings.kind == "low-rank":
            query_map, further = _low_rank(loss, settings, query_map, seed)
            losses += further
    return Fit(query_map, losses, tau)


def gains_on_others(pairs: Pairs, settings: AdapterSettings, *, seed: int) -> bool | None:
    """Tell whether a map fitted to half of the passages helps with questions about the other half.

    None where there are too few passages to tell. Near-duplicates stay together.
    """
    first = pairs.groups % 2 == 0
    if min(first.sum(), (~first).sum()) < 2:
        return None
    before = after = 0.0
    for chosen in (first, ~first):
        query_map = fit_map(pairs.about(chosen), settings, seed=seed).map
        others = pairs.about(~chosen)
        n = len(others.own)
        before += n * reciprocal_rank(others, others.questions)
        after += n * reciprocal_rank(others, query_map.apply(others.questions))
    return after > before


def _linear(loss: CorpusLoss, settings: AdapterSettings) -> tuple[QueryMap, list[float]]:
    questions = loss.pairs.questions
    d = questions.shape[1]
    pull = np.float32(settings.pull)

    def function(flat: FloatArray) -> tuple[float, FloatArray]:
        change = flat.reshape(d, d)
        value, by_mapped = loss(questions + questions @ change.T)
        gradient = by_mapped.T @ questions + 2 * pull * change
        return value + settings.pull * float(np.vdot(change, change)), gradient.ravel()

    start = np.zeros(d * d, dtype=np.float32)
    flat, losses = minimise(function, start, max_steps=settings.max_steps)
    matrix = identity(d).arrays["matrix"] + flat.reshape(d, d)
    return QueryMap("linear", {"matrix": matrix}), losses


def _low_rank(
    loss: CorpusLoss, settings: AdapterSettings, full: QueryMap, seed: int
) -> tuple[QueryMap, list[float]]:
    questions = loss.pairs.questions
    unit = identity(full.dimensions).arrays["matrix"]
    outer, inner = _factors(full.arrays["matrix"] - unit, settings.rank, seed)
    shape, r = outer.shape, outer.shape[1]
    pull = np.float32(2 * settings.pull)

    def function(flat: FloatArray) -> tuple[float, FloatArray]:
        outer, inner = flat[:outer_size].reshape(shape), flat[outer_size:].reshape(r, -1)
        hidden: FloatArray = questions @ inner.T
        value, by_mapped = loss(questions + hidden @ outer.T)
        # ‖outer · inner‖² through products of r × r.
        outers, inners = outer.T @ outer, inner @ inner.T
        by_outer = by_mapped.T @ hidden + pull * outer @ inners
        by_inner = (by_mapped @ outer).T @ questions + pull * outers @ inner
        value += settings.pull * float(np.vdot(outers, inners))
        return value, np.concatenate([by_outer.ravel(), by_inner.ravel()])

    outer_size = outer.size
    start = np.concatenate([outer.ravel(), inner.ravel()])
    flat, losses = minimise(function, start, max_steps=settings.max_steps)
    outer, inner = flat[:outer_size].reshape(shape), flat[outer_size:].reshape(r, -1)
    arrays = {"matrix": unit + outer @ inner, "outer": outer, "inner": inner}
    return QueryMap("low-rank", arrays), losses


def _two_layer(
    loss: CorpusLoss, settings: AdapterSettings, seed: int
) -> tuple[QueryMap, list[float]]:
    questions = loss.pairs.questions
    d, r = questions.shape[1], settings.rank
    drawn = np.random.default_rng(seed).standard_normal((r, d)) / np.sqrt(d)
    first = drawn.astype(np.float32)
    pull = np.float32(2 * settings.pull)

    def parts(flat: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        outer, inner = flat[: d * r].reshape(d, r), flat[d * r : 2 * d * r].reshape(r, d)
        return outer, inner, flat[2 * d * r :]

    def function(flat: FloatArray) -> tuple[float, FloatArray]:
        outer, inner, bias = parts(flat)
        hidden = np.maximum(questions @ inner.T + bias, 0)
        value, by_mapped = loss(questions + hidden @ outer.T)
        by_hidden = (by_mapped @ outer) * (hidden > 0)
        moved = inner - first
        value += settings.pull * sum(float(np.vdot(x, x)) for x in (outer, moved, bias))
        by_outer = by_mapped.T @ hidden + pull * outer
        by_inner = by_hidden.T @ questions + pull * moved
        by_bias = by_hidden.sum(axis=0) + pull * bias
        return value, np.concatenate([by_outer.ravel(), by_inner.ravel(), by_bias])

    nothing = np.zeros(d * r, dtype=np.float32)
    start = np.concatenate([nothing, first.ravel(), np.zeros(r, dtype=np.float32)])
    flat, losses = minimise(function, start, max_steps=settings.max_steps)
    outer, inner, bias = (part.copy() for part in parts(flat))
    return QueryMap("two-layer", {"outer": outer, "inner": inner, "bias": bias}), losses


def _factors(matrix: FloatArray, rank: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return (d, r) and (r, d) whose product is about the best approximation of rank r."""
    d = len(matrix)
    r = min(rank, d)
    generator = np.random.default_rng(seed)
    basis = generator.standard_normal((d, min(d, r + OVERSAMPLED))).astype(np.float32)
    for _ in range(POWERS):
        basis, _ = np.linalg.qr(matrix @ (matrix.T @ basis))
    left, strengths, right = np.linalg.svd(basis.T @ matrix, full_matrices=False)
    root = np.sqrt(strengths[:r])
    return basis @ left[:, :r] * root, root[:, None] * right[:r]
