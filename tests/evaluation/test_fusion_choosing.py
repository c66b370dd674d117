"""Fusions: what is left open is chosen on dev, never on what is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from homing.dataset import Dataset
from homing.evaluation import choosing
from homing.evaluation.building import Builder
from homing.evaluation.choosing import DEPTH, GRID, POOL, dev_questions, rank_all
from homing.evaluation.contenders import Contender, in_building_order
from homing.evaluation.evaluate import evaluate
from homing.retrieval.fusion import FusedRetriever, weighted_mean
from homing.retrieval.search import top_k
from homing.types import FloatArray, Passage, Qrel, Query

N_PASSAGES = 60


def questions(n_dev: int, n_test: int = 40) -> Dataset:
    """Question "dev 3" is answered by passage 3, and so is "test 3"."""
    corpus = {f"p{i}": Passage(f"p{i}", f"d{i}", 0, 9, f"passage {i}") for i in range(N_PASSAGES)}
    qrels, queries = {}, {}
    for split, n in (("dev", n_dev), ("test", n_test)):
        names = [f"{split} {i}" for i in range(n)]
        queries |= {name: Query(name, name, writer="person") for name in names}
        qrels[split] = [Qrel(name, f"p{i % N_PASSAGES}") for i, name in enumerate(names)]
    return Dataset(corpus, queries, {split: q for split, q in qrels.items() if q})


class Knows:
    """A retriever that finds the answers of some questions and guesses at the others'."""

    n_passages = N_PASSAGES

    def __init__(self, share: float, of: str = "dev", seed: int = 0) -> None:
        self._share, self._of, self._seed = share, of, seed
        self.n_asked = 0

    def scores(self, queries: Sequence[str]) -> FloatArray:
        self.n_asked += len(queries)
        rows = []
        for query in queries:
            split, number = query.split()
            draw = np.random.default_rng([self._seed, int(number), len(split)])
            row = draw.standard_normal(N_PASSAGES)
            if draw.random() < (self._share if split == self._of else 1 - self._share):
                row[int(number) % N_PASSAGES] += 4
            rows.append(row)
        return np.array(rows, dtype=np.float32)


def fused(*specs: str, a: Knows | None = None, b: Knows | None = None) -> list[Contender]:
    return [
        Contender("a", "mine", a or Knows(0.3, seed=1)),
        Contender("b", "mine", b or Knows(0.9, seed=2)),
        *(Contender(f"f{n}", spec) for n, spec in enumerate(specs or ["fusion(a,b)"])),
    ]


def chosen_on(dataset: Dataset, contenders: list[Contender], split: str = "test") -> str:
    result = evaluate(dataset, contenders, split=split)
    return result.contenders["f0"].chosen


def test_the_better_member_gets_the_greater_weight():
    words = chosen_on(questions(120), fused())
    assert words.endswith("for b, chosen on 120 dev questions")
    assert float(words.split(", ")[1].split()[0]) > 0.5
    other = chosen_on(questions(120), fused(a=Knows(0.9, seed=2), b=Knows(0.3, seed=1)))
    assert float(other.split(", ")[1].split()[0]) < 0.5


def test_what_is_evaluated_has_no_influence_on_the_choice():
    # On the test questions each member is as good as the other is on dev.
    dataset = questions(120)
    expected = chosen_on(dataset, fused())
    others = replace(
        dataset, qrels={**dataset.qrels, "test": [Qrel("test 0", "p7"), Qrel("test 1", "p7")]}
    )
    assert chosen_on(others, fused()) == expected
    assert chosen_on(questions(120, n_test=3), fused()) == expected
    more_dev = replace(dataset, qrels={**dataset.qrels, "dev": dataset.qrels["test"]})
    assert chosen_on(more_dev, fused()) != expected


def test_the_choice_is_the_best_of_the_grid_and_is_what_is_evaluated():
    dataset = questions(120)
    result = evaluate(dataset, fused(), split="test")
    weight = float(result.contenders["f0"].chosen.split(", ")[1].split()[0])
    method = "z" if result.contenders["f0"].chosen.startswith("z-scores") else "rrf"
    named = [f"fusion(a,b,{m},{w})" for m, w in GRID]
    on_dev = evaluate(dataset, fused(*named), split="dev").contenders
    best = max(on_dev[f"f{n}"].measures["ndcg@10"] for n in range(len(GRID)))
    picked = named.index(f"fusion(a,b,{method},{weight})")
    assert on_dev[f"f{picked}"].measures["ndcg@10"] == pytest.approx(best)
    explicit = evaluate(dataset, fused(f"fusion(a,b,{method},{weight})"), split="test")
    assert explicit.contenders["f0"].measures == result.contenders["f0"].measures
    assert explicit.contenders["f0"].chosen == ""


def test_of_equals_the_simplest_wins():
    same = Knows(0.8, seed=3)
    words = chosen_on(questions(40), fused(a=same, b=same))
    assert words == "z-scores, 0.5 for b, chosen on 40 dev questions"
    assert GRID[0] == ("z", 0.5)
    assert len(GRID) == len(set(GRID)) == 18


@pytest.mark.parametrize(
    ("n_dev", "split", "why"),
    [
        (0, "test", "there is no dev split"),
        (29, "test", "29 dev questions are too few, 30 are needed"),
        (120, "dev", "the dev questions are those that are evaluated"),
    ],
)
def test_where_nothing_can_be_chosen_it_is_said(n_dev: int, split: str, why: str):
    words = chosen_on(questions(n_dev), fused(), split)
    assert words == f"z-scores, 0.5 for b, not chosen: {why}"


def test_dev_questions_that_are_evaluated_too_are_left_out():
    dataset = questions(40)
    mixed = replace(
        dataset,
        qrels={**dataset.qrels, "test": [*dataset.qrels["test"], *dataset.qrels["dev"][:5]]},
    )
    dev = dev_questions(mixed, "test")
    assert len(dev.ids) == 35
    assert {qrel.query_id for qrel in dev.qrels} == set(dev.ids)


def test_members_are_asked_the_dev_questions_once_for_all_fusions(
    monkeypatch: pytest.MonkeyPatch,
):
    a, b = Knows(0.3, seed=1), Knows(0.9, seed=2)
    contenders = in_building_order(fused("fusion(a,b)", "fusion(b,a)", a=a, b=b))
    builder = Builder(questions(120), contenders, split="test")
    for contender in contenders:
        builder.build(contender)
    assert a.n_asked == b.n_asked == 120
    assert set(builder.chosen) == {"f0", "f1"}
    monkeypatch.setattr(choosing, "KEPT_BYTES", 0)
    again = Builder(questions(120), contenders, split="test")
    for contender in contenders:
        again.build(contender)
    assert a.n_asked == 3 * 120
    assert again.chosen == builder.chosen


def test_a_fusion_of_a_fusion_can_be_chosen_too():
    contenders = in_building_order(fused("fusion(a,f1)", "fusion(a,b)"))
    builder = Builder(questions(60), contenders, split="test")
    for contender in contenders:
        builder.build(contender)
    assert "chosen on 60" in builder.chosen["f0"]
    assert isinstance(builder.built["f0"], FusedRetriever)


@pytest.mark.parametrize("is_flat", [False, True])
def test_looking_at_the_best_of_each_member_ranks_as_all_would(is_flat: bool):
    draw = np.random.default_rng(5)
    a = draw.standard_normal((6, 3 * POOL)).astype(np.float32)
    b = draw.standard_normal((6, 3 * POOL)).astype(np.float32)
    if is_flat:  # as BM25, which ties nearly all passages of a question
        b[:, 40:] = 0
        a[:] = a.round(1)
    for weight, ranking in rank_all(a, b, (0.1, 0.5, 0.9)).items():
        assert np.array_equal(ranking, top_k(weighted_mean(a, b, weight), DEPTH)[0])
