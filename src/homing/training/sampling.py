"""Batches of passages of like length, so that little is spent on padding.

Cost: one sort an epoch. Every passage is in one batch an epoch; passages of one duplicate group
are kept apart where that is possible (where not, the loss masks them).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from homing.dataset.row_files import Numbers

LENGTH_NOISE = 0.1
"""Lengths are blurred by this share before sorting, so that no two epochs have the same batches."""


def batches(
    lengths: Sequence[int] | Numbers,
    groups: Sequence[Hashable],
    *,
    batch_size: int,
    seed: int,
    epoch: int,
) -> list[list[int]]:
    """Return positions in batches of at most `batch_size`, a different arrangement each epoch.

    Args:
        lengths: Tokens of each passage.
        groups: Duplicate group of each passage.
        batch_size: Passages a batch; the batches differ in size by at most one.
        seed: Seed of the job.
        epoch: Number of the epoch.
    """
    generator = random.Random(f"{seed}/{epoch}")
    numbers = (n * (1 + generator.uniform(-LENGTH_NOISE, LENGTH_NOISE)) for n in map(int, lengths))
    blurred = np.fromiter(numbers, dtype=np.float64, count=len(lengths))
    order: list[int] = np.argsort(blurred, kind="stable").tolist()
    n_batches = -(-len(order) // batch_size)
    cuts = [round(i * len(order) / n_batches) for i in range(n_batches + 1)]
    result = [order[a:b] for a, b in itertools.pairwise(cuts)]
    arranged = spread_groups(result, groups)
    generator.shuffle(arranged)
    return arranged


def spread_groups(arrangement: list[list[int]], groups: Sequence[Hashable]) -> list[list[int]]:
    """Return the batches with second members of a group swapped into a batch that has none."""
    result = [list(batch) for batch in arrangement]
    for number, batch in enumerate(result):
        seen: set[Hashable] = set()
        for place in range(len(batch)):
            if groups[batch[place]] in seen:
                swap = _partner(result, groups, number, place)
                if swap is not None:
                    other, i = swap
                    batch[place], result[other][i] = result[other][i], batch[place]
            seen.add(groups[batch[place]])
    return result


def _partner(
    result: Sequence[Sequence[int]], groups: Sequence[Hashable], number: int, place: int
) -> tuple[int, int] | None:
    """Return (batch, place) with which a repeated member can be exchanged, or None."""
    here = {groups[p] for i, p in enumerate(result[number]) if i != place}
    for step in range(1, len(result)):
        other = (number + step) % len(result)
        if groups[result[number][place]] in {groups[p] for p in result[other]}:
            continue
        for i, position in enumerate(result[other]):
            if groups[position] not in here:
                return other, i
    return None


class PassageBatchSampler:
    """The batch sampler that the trainer is given; `set_epoch` is called before each epoch."""

    def __init__(
        self,
        lengths: Sequence[int] | Numbers,
        groups: Sequence[Hashable],
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self.lengths = lengths
        self.groups = groups
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.drop_last = False

    def set_epoch(self, epoch: int) -> None:
        """Choose the arrangement of this epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(
            batches(
                self.lengths,
                self.groups,
                batch_size=self.batch_size,
                seed=self.seed,
                epoch=self.epoch,
            )
        )
