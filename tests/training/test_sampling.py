"""Batches: every passage once, duplicates apart, like lengths together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homing.training.sampling import PassageBatchSampler, batches


@given(st.lists(st.integers(1, 512), min_size=1, max_size=80), st.integers(1, 16))
def test_every_passage_is_in_one_batch_of_an_epoch(lengths: list[int], size: int) -> None:
    groups = [str(i) for i in range(len(lengths))]
    made = batches(lengths, groups, batch_size=size, seed=0, epoch=0)
    assert sorted(i for batch in made for i in batch) == list(range(len(lengths)))
    assert max(map(len, made)) <= size
    assert max(map(len, made)) - min(map(len, made)) <= 1


def test_no_two_of_a_group_share_a_batch_where_there_is_room() -> None:
    groups = ["twin"] * 4 + [str(i) for i in range(28)]
    for epoch in range(5):
        for batch in batches([100] * 32, groups, batch_size=8, seed=1, epoch=epoch):
            assert [groups[i] for i in batch].count("twin") <= 1


def test_epochs_differ_and_seeds_repeat() -> None:
    lengths = [10 + i % 40 for i in range(64)]
    groups = [str(i) for i in range(64)]
    sampler = PassageBatchSampler(lengths, groups, batch_size=8, seed=3)
    first = list(sampler)
    assert first == list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert len(sampler) == len(first)


def test_like_lengths_are_together() -> None:
    lengths = [20, 500] * 32
    made = batches(lengths, [str(i) for i in range(64)], batch_size=8, seed=0, epoch=0)
    assert all(len({lengths[i] for i in batch}) == 1 for batch in made)
