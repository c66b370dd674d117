"""Which passages are asked about first: each subject once, copies and furniture last."""

from __future__ import annotations

import numpy as np
import pytest

from homing.types import FloatArray, Passage
from homing.writing.choosing import choose_passages

SUBJECTS = ("leave", "travel", "pay", "training", "safety")


def corpus(
    *sizes: int, spread: float = 0.1, seed: int = 1
) -> tuple[list[Passage], FloatArray, dict[str, str]]:
    """Return passages, vectors around one direction a subject, and passage id -> subject."""
    generator = np.random.default_rng(seed)
    ids, rows = [], []
    for subject, size in zip(SUBJECTS, sizes, strict=False):
        centre = generator.normal(size=32)
        for i in range(size):
            ids.append(f"{subject}-{i:03d}")
            rows.append(centre + spread * generator.normal(size=32))
    vectors = np.array(rows, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    passages = [Passage(i, "handbook", 0, 1, "text") for i in ids]
    return passages, vectors, {i: i.partition("-")[0] for i in ids}


def test_every_subject_is_asked_about_before_any_is_asked_about_much() -> None:
    passages, vectors, subjects = corpus(200, 40, 20, 10, 5)
    first = choose_passages(passages, vectors, n=17, groups={}, last=())
    assert {subjects[i] for i in first} == set(SUBJECTS)
    at_random = np.random.default_rng(0).permutation(len(passages))[:17]
    assert len({subjects[passages[i].id] for i in at_random}) < len(SUBJECTS)


def test_fewer_are_the_beginning_of_more_so_that_a_later_run_adds() -> None:
    passages, vectors, _ = corpus(60, 30, 10)
    every = choose_passages(passages, vectors, n=1000, groups={}, last=())
    assert sorted(every) == sorted(p.id for p in passages)
    for n in (0, 1, 7, 50, 99):
        assert choose_passages(passages, vectors, n=n, groups={}, last=()) == every[:n]


def test_a_second_passage_that_says_the_same_comes_after_all_that_say_something_new() -> None:
    passages, vectors, subjects = corpus(30, 20)
    groups = {i: "travel-000" for i, subject in subjects.items() if subject == "travel"}
    order = choose_passages(passages, vectors, n=50, groups=groups, last=())
    assert [i for i in order[:31] if i in groups] == ["travel-000"]
    assert all(i in groups for i in order[31:])


def test_second_copies_come_before_third_ones() -> None:
    passages, vectors, subjects = corpus(9, 9)
    groups = {i: f"{subject}-group" for i, subject in subjects.items()}
    order = choose_passages(passages, vectors, n=18, groups=groups, last=())
    for nth in range(9):
        assert {subjects[i] for i in order[2 * nth : 2 * nth + 2]} == {"leave", "travel"}


def test_boilerplate_comes_last_even_where_it_stands_for_its_group() -> None:
    passages, vectors, subjects = corpus(20, 10, 3)
    last = {i for i, subject in subjects.items() if subject == "pay"} | {"leave-000"}
    groups = {"leave-000": "leave-000", "leave-001": "leave-000"}
    order = choose_passages(passages, vectors, n=33, groups=groups, last=last)
    assert set(order[-4:]) == last
    assert "leave-001" in order[:29]


def test_the_order_of_the_passages_does_not_matter_and_the_seed_does() -> None:
    passages, vectors, _ = corpus(40, 40, 40, spread=0.6)
    order = choose_passages(passages, vectors, n=60, groups={}, last=(), seed=3)
    shuffled = np.random.default_rng(5).permutation(len(passages))
    again = choose_passages(
        [passages[i] for i in shuffled], vectors[shuffled], n=60, groups={}, last=(), seed=3
    )
    assert again == order
    assert choose_passages(passages, vectors, n=60, groups={}, last=(), seed=4) != order


def test_within_a_subject_the_typical_comes_first_and_then_the_different() -> None:
    typical = np.array([1, 0, 0], dtype=np.float32)
    vectors = np.array([[1, 0, 0], [1, 0.01, 0], [1, 0.3, 0], [1, -0.3, 0]], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    passages = [Passage(i, "d", 0, 1, "") for i in ("a-typical", "b-near", "c-left", "d-right")]
    from homing.writing.choosing import _order_within

    order = [passages[i].id for i in _order_within(vectors, typical)]
    assert order[0] == "a-typical"
    assert set(order[1:3]) == {"c-left", "d-right"}
    assert order[3] == "b-near"


def test_few_or_equal_passages_are_no_trouble() -> None:
    one = [Passage("leave", "d", 0, 1, "")]
    vector = np.ones((1, 1), dtype=np.float32)
    assert choose_passages(one, vector, n=5, groups={}, last=()) == ["leave"]
    assert choose_passages(one, vector, n=5, groups={}, last={"leave"}) == ["leave"]
    assert choose_passages([], np.empty((0, 3), dtype=np.float32), n=5, groups={}, last=()) == []
    equal = [Passage(f"p{i}", "d", 0, 1, "") for i in range(30)]
    vectors = np.tile(np.float32([1, 0]), (30, 1))
    assert sorted(choose_passages(equal, vectors, n=30, groups={}, last=())) == sorted(
        p.id for p in equal
    )


def test_vectors_of_other_passages_are_refused() -> None:
    passages, vectors, _ = corpus(5)
    with pytest.raises(ValueError, match="as many vectors"):
        choose_passages(passages, vectors[1:], n=2, groups={}, last=())


@pytest.mark.slow
def test_a_hundred_thousand_passages_are_put_in_order_in_bounded_memory() -> None:
    import tracemalloc

    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(100_000, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    passages = [Passage(f"{i:06d}", "d", 0, 1, "") for i in range(len(vectors))]
    tracemalloc.start()
    order = choose_passages(passages, vectors, n=25_000, groups={}, last=())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(order)) == 25_000
    assert peak < 2.5 * vectors.nbytes
