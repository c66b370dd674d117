"""Which passages are for training, which for choosing a checkpoint, which for the test.

What must stay together does: near duplicates, overlapping neighbours, and whatever a chain of
them links (a component). Beyond that whole documents go to one side where there are enough of
them; else blocks of consecutive passages do, so that few neighbours are parted.

Units are taken in the order of a hash of the seed and their smallest passage id: the same input
gives the same sides everywhere, and a document more leaves the others, but for some at the border
of a side, where they were.

Memory: some 200 bytes a passage.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from homing.curation.components import component_rows
from homing.curation.spans import Spans, group_codes, spans_of
from homing.types import IntArray, Passage, content_id

MIN_DOCUMENTS = 20
MAX_DOCUMENT_FRACTION = 0.2
BLOCK = 8
MAX_OVERSHOOT = 1.25
MAX_DEV = 300
MAX_TEST = 500
SIDES = ("train", "dev", "test", "held_out")

Sides = NDArray[np.int8]
"""Positions in `SIDES`, int8 (n,)."""


def split_passages(
    passages: Sequence[Passage],
    groups: Mapping[str, str],
    *,
    dev_fraction: float,
    test_fraction: float,
    seed: int,
    held_out: Collection[str] = (),
    max_dev: int = MAX_DEV,
    max_test: int = MAX_TEST,
) -> dict[str, str]:
    """Return passage id -> "train", "dev", "test" or "held_out", in the order of the passages.

    Args:
        groups: Passage id -> group id, from `find_groups`.
        dev_fraction: Share of the passages that are not held out, in [0, 1). Above 0, at least
            one unit is taken where there is more than one; at most a quarter more than asked for,
            unless the smallest unit is larger.
        test_fraction: The same for the test.
        held_out: Passages that given test questions ask for. Their whole components are held
            out: neither train nor dev may see them.
        max_dev: Most passages for dev.
        max_test: Most passages for the test.
    """
    sides = split_rows(
        spans_of(passages),
        group_codes(passages, groups),
        dev=(dev_fraction, max_dev),
        test=(test_fraction, max_test),
        seed=seed,
        held_out=[i for i, passage in enumerate(passages) if passage.id in held_out],
    )
    return {p.id: SIDES[side] for p, side in zip(passages, sides.tolist(), strict=True)}


def split_rows(
    spans: Spans,
    groups: IntArray,
    *,
    dev: tuple[float, int],
    test: tuple[float, int],
    seed: int,
    held_out: Sequence[int] = (),
) -> Sides:
    """Return the side of each row; see `split_passages`.

    Args:
        groups: Equal for rows of one group, int64 (n,).
        dev: Share of the passages, and most of them.
        test: The same.
        held_out: Rows.
    """
    components = component_rows(spans, groups)
    is_away = np.isin(components, components[list(held_out)])
    sides = np.where(is_away, SIDES.index("held_out"), SIDES.index("train")).astype(np.int8)
    unit_of, units = _units(spans, components, is_away, seed)
    n_free = int((~is_away).sum())
    for side, (fraction, most) in (("test", test), ("dev", dev)):
        if fraction > 0 and most > 0:
            sizes = [size for _, size in units]
            taken = _take(sizes, max(1, min(round(fraction * n_free), most)), most)
            sides[np.isin(unit_of, [units[i][0] for i in taken])] = SIDES.index(side)
            units = [unit for i, unit in enumerate(units) if i not in taken]
    return sides


def _units(
    spans: Spans, components: IntArray, is_away: NDArray[np.bool_], seed: int
) -> tuple[IntArray, list[tuple[int, int]]]:
    """Return what goes to one side: the unit of each row, -1 for none, and (unit, size) in turn.

    A component that reaches into several documents or blocks goes with that of its first passage,
    so that text which all documents share does not tie all of them together.
    """
    homes = _homes(spans)[components]
    names, unit_of = np.unique(homes, return_inverse=True)
    unit_of = np.where(is_away, -1, unit_of)
    sizes = np.bincount(unit_of[~is_away], minlength=len(names))
    # Written from the last id to the first, so that the smallest id of each unit stays.
    smallest = np.full(len(names) + 1, -1, dtype=np.int64)
    smallest[unit_of[spans.order[::-1]]] = spans.order[::-1]
    units = [(unit, int(sizes[unit])) for unit in np.flatnonzero(sizes).tolist()]
    units.sort(key=lambda unit: content_id("split", str(seed), spans.name(int(smallest[unit[0]]))))
    return unit_of, units


def _homes(spans: Spans) -> IntArray:
    """Return the document or block that each row belongs to, as a number."""
    n = len(spans)
    _, document, sizes = np.unique(spans.documents, return_inverse=True, return_counts=True)
    if len(sizes) >= MIN_DOCUMENTS and sizes.max() < MAX_DOCUMENT_FRACTION * n:
        return document.astype(np.int64)
    # Halved for small corpora, where a few large blocks could not give the shares asked for.
    size = next((s for s in (1, 2, 4) if n < s * 10 * BLOCK), BLOCK)
    order = np.lexsort((spans.ranks(), spans.starts, document))
    first = np.cumsum(sizes) - sizes
    n_blocks = np.array([max(1, round(count / size)) for count in sizes.tolist()], dtype=np.int64)
    of_order = document[order]
    block = np.minimum((np.arange(n) - first[of_order]) // size, n_blocks[of_order] - 1)
    homes = np.empty(n, dtype=np.int64)
    homes[order] = of_order * (n + 1) + block
    return homes


def _take(sizes: Sequence[int], target: int, most: int) -> set[int]:
    """Return the positions of units that together come near the target, at least one is left."""
    taken: set[int] = set()
    n_taken = 0
    limit = min(MAX_OVERSHOOT * target, most)
    for i, size in enumerate(sizes[:-1]):
        if n_taken >= target:
            break
        if n_taken + size <= limit:
            taken.add(i)
            n_taken += size
    if not taken and len(sizes) > 1:
        taken.add(min(range(len(sizes)), key=sizes.__getitem__))
    return taken
