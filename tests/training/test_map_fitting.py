"""Maps of question vectors: the gradient is right, planted maps are found, masks hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import pytest

from homing.retrieval.query_map import MapKind
from homing.training import adapting
from homing.training.adapting import (
    CorpusLoss,
    Pairs,
    calibrated_tau,
    make_pairs,
    reciprocal_rank,
)
from homing.training.examples import Example
from homing.training.map_fitting import fit_map, gains_on_others
from homing.training.minimising import minimise
from homing.training.settings import AdapterSettings
from homing.types import FloatArray, Passage, Query
from homing.vectors import normalised

KINDS: tuple[MapKind, ...] = get_args(MapKind)
D = 24


def planted(n_passages: int = 60, n_each: int = 2, *, noise: float = 0.3, seed: int = 0) -> Pairs:
    """Questions that are their passages turned round some axes, with noise."""
    generator = np.random.default_rng(seed)
    passages = normalised(generator.standard_normal((n_passages, D)))
    left, _, right = np.linalg.svd(
        np.eye(D) + 0.25 * np.random.default_rng(7).standard_normal((D, D))
    )
    turn = left @ right  # the rotation that is nearest
    own = np.repeat(np.arange(n_passages), n_each)
    wobble = noise / np.sqrt(D) * generator.standard_normal((len(own), D))
    questions = normalised(passages[own] @ turn.T + wobble)
    nothing = np.array([], dtype=np.int64)
    return Pairs(questions, passages, own, (nothing,) * len(own), np.arange(n_passages))


def masking(pairs: Pairs, row: int, columns: list[int]) -> Pairs:
    masked = list(pairs.masked)
    masked[row] = np.array(columns)
    return replace(pairs, masked=tuple(masked))


@pytest.mark.parametrize("block", [1, 700, 10**6])
def test_the_gradient_is_that_of_the_loss_however_it_is_cut_in_blocks(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(adapting, "BLOCK_SCORES", block)
    pairs = masking(planted(12, 1), 3, [5, 6])
    loss = CorpusLoss(pairs, 0.2)
    mapped = 1.5 * pairs.questions + 0.1
    value, gradient = loss(mapped)
    step = np.random.default_rng(1).standard_normal(mapped.shape).astype(np.float32)
    above, below = (loss(mapped + sign * 1e-2 * step)[0] for sign in (1, -1))
    assert (above - below) / 2e-2 == pytest.approx(float(np.vdot(gradient, step)), rel=2e-2)
    unit = normalised(mapped)
    scores = unit.astype(np.float64) @ pairs.passages.T / 0.2
    scores[3, [5, 6]] = -np.inf
    log_sums = np.log(np.exp(scores).sum(axis=1))
    assert value == pytest.approx((log_sums - scores[np.arange(12), pairs.own]).mean(), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_map_is_found_and_holds_for_questions_that_were_not_seen(kind: MapKind) -> None:
    seen, others = planted(120), planted(120, seed=1)
    settings = AdapterSettings(kind=kind, rank=16)
    fit = fit_map(seen, settings, seed=0)
    before = reciprocal_rank(others, others.questions)
    after = reciprocal_rank(others, fit.map.apply(others.questions))
    assert after > before + 0.05
    assert fit.losses[-1] < fit.losses[0]
    assert fit.map.kind == kind
    assert gains_on_others(seen, settings, seed=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_strong_pull_leaves_what_was_there(kind: MapKind) -> None:
    pairs = planted()
    fit = fit_map(pairs, AdapterSettings(kind=kind, rank=8, pull=1e4), seed=0)
    np.testing.assert_allclose(fit.map.apply(pairs.questions), pairs.questions, atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_is_the_identity(kind: MapKind) -> None:
    pairs = planted()
    tau = 0.05
    settings = AdapterSettings(kind=kind, temperature=tau, max_steps=1)
    base_loss, _ = CorpusLoss(pairs, tau)(pairs.questions)
    assert fit_map(pairs, settings, seed=0).losses[0] == pytest.approx(base_loss, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_bytes(kind: MapKind) -> None:
    settings = AdapterSettings(kind=kind, rank=8)
    first, second = (fit_map(planted(), settings, seed=3).map for _ in range(2))
    for name, array in first.arrays.items():
        assert array.dtype == np.float32
        assert array.tobytes() == second.arrays[name].tobytes()


def test_a_low_rank_change_is_what_its_factors_say() -> None:
    arrays = fit_map(planted(), AdapterSettings(kind="low-rank", rank=5), seed=0).map.arrays
    change = arrays["outer"] @ arrays["inner"]
    assert arrays["inner"].shape == (5, D)
    assert np.linalg.matrix_rank(change, tol=1e-4) == 5
    np.testing.assert_allclose(arrays["matrix"], np.eye(D) + change, atol=1e-6)


def test_questions_that_tell_nothing_bring_nothing_to_others() -> None:
    pairs = planted(60, 1)
    shuffled = np.random.default_rng(2).permutation(60)
    assert not gains_on_others(replace(pairs, own=shuffled), AdapterSettings(), seed=0)


def test_with_a_handful_of_passages_nobody_can_tell() -> None:
    pairs = planted(3, 4)
    assert gains_on_others(pairs, AdapterSettings(), seed=0) is None
    one_group = replace(planted(8), groups=np.zeros(8, dtype=np.int64))
    assert gains_on_others(one_group, AdapterSettings(), seed=0) is None


def test_what_is_masked_neither_attracts_nor_repels() -> None:
    pairs = planted(20, 2)
    own, strange = pairs.passages[pairs.own], planted(40, 1, seed=5).passages
    beside = replace(
        pairs,
        passages=np.vstack([pairs.passages, own, strange]),
        masked=tuple(np.array([20 + row, 60 + row]) for row in range(40)),
        groups=np.arange(100),
    )
    everything = replace(beside, masked=(np.arange(20, 100),) * 40)
    settings = AdapterSettings(temperature=0.1)
    alone, masked, rivals = (
        fit_map(some, settings, seed=0).map.arrays["matrix"] for some in (pairs, everything, beside)
    )
    np.testing.assert_allclose(masked, alone, atol=1e-5)
    assert np.abs(rivals - alone).max() > 1e-2
    assert np.isfinite(rivals).all()


def test_the_temperature_goes_with_how_far_apart_the_scores_lie() -> None:
    pairs = planted()

    def closer(vectors: FloatArray, share: float) -> FloatArray:
        common = np.full((len(vectors), 1), np.sqrt(1 - share**2), dtype=np.float32)
        return normalised(np.hstack([share * vectors, common]))

    close = replace(
        pairs, questions=closer(pairs.questions, 0.4), passages=closer(pairs.passages, 0.4)
    )
    assert calibrated_tau(close) == pytest.approx(0.16 * calibrated_tau(pairs), rel=0.05)
    before = reciprocal_rank(close, close.questions)
    fit = fit_map(close, AdapterSettings(), seed=0)
    assert reciprocal_rank(close, fit.map.apply(close.questions)) > before + 0.05


class Letters:
    """An encoder of letter counts that writes down what it was asked."""

    key, dimensions = "letters", 26

    def __init__(self) -> None:
        self.passages: list[str] = []

    def encode_queries(self, texts: list[str]) -> FloatArray:
        counts = [[text.lower().count(chr(97 + i)) + 0.01 for i in range(26)] for text in texts]
        return normalised(np.array(counts))

    def encode_passages(self, texts: list[str]) -> FloatArray:
        self.passages += texts
        return self.encode_queries(texts)


def example(
    name: str, group: str, right: Literal["own", "both"] = "own", n_questions: int = 1
) -> Example:
    queries = tuple(Query(f"{name}{i}", f"question {i} about {name}") for i in range(n_questions))
    answers = frozenset({name} if right == "own" else {"anchor", "buoy"})
    return Example(
        Passage(name, "d", 0, 0, f"all about {name}"),
        queries,
        {query.id: answers for query in queries},
        group,
    )


def test_other_right_passages_and_near_duplicates_are_masked() -> None:
    examples = [
        example("anchor", "a", "both"),
        example("buoy", "b"),
        example("cabin", "c"),
        example("cabin copy", "c"),
    ]
    encoder = Letters()
    pairs = make_pairs(examples, encoder, seed=0)
    assert pairs.own.tolist() == [0, 1, 2, 3]
    assert [row.tolist() for row in pairs.masked] == [[1], [], [3], [2]]
    assert pairs.groups.tolist() == [0, 1, 2, 2]
    assert encoder.passages == [f"all about {e.passage.id}" for e in examples]
    half = pairs.about(np.array([True, False, True, True]))
    assert half.own.tolist() == [0, 1, 2]
    assert [row.tolist() for row in half.masked] == [[], [2], [1]]
    np.testing.assert_array_equal(half.passages, pairs.passages[[0, 2, 3]])


def test_of_very_many_passages_and_questions_a_part_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [chr(97 + i % 26) + chr(97 + i // 3) for i in range(50)]
    examples = [example(name, f"g{name}", n_questions=3) for name in names]
    monkeypatch.setattr(adapting, "MOST_PASSAGES", 20)
    assert len(make_pairs(examples, Letters(), seed=0).passages) == 20
    monkeypatch.setattr(adapting, "MOST_QUESTIONS", 30)
    pairs = make_pairs(examples, Letters(), seed=0)
    assert (len(pairs.passages), len(pairs.own)) == (10, 30)
    again, other = (make_pairs(examples, Letters(), seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(pairs.passages, again.passages)
    assert not np.array_equal(pairs.passages, other.passages)


def test_the_least_of_a_long_valley_is_found() -> None:
    def valley(at: FloatArray) -> tuple[float, FloatArray]:  # Rosenbrock
        x, y = (float(v) for v in at)
        value = (1 - x) ** 2 + 100 * (y - x * x) ** 2
        slope = [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)]
        return value, np.array(slope, dtype=np.float32)

    start = np.array([-1.2, 1.0], dtype=np.float32)
    at, values = minimise(valley, start, max_steps=200, tolerance=1e-9)
    np.testing.assert_allclose(at, [1, 1], atol=1e-2)
    assert values == sorted(values, reverse=True)
    assert len(minimise(valley, start, max_steps=3)[1]) <= 4
