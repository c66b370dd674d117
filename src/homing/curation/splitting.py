"""Which passages are for training, which for choosing a checkpoint, which for the test.

What must stay together does: near duplicates, overlapping neighbours, and whatever a chain of
them links (a component). Beyond that whole documents go to one side where there are enough of
them; else blocks of consecutive passages do, so that few neighbours are parted.

Units are taken in the order of a hash of the seed and their smallest passage id: the same input
gives the same sides everywhere, and a document more leaves the others, but for some at the border
of a side, where they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

from homing.curation.components import find_components
from homing.types import Passage, content_id

MIN_DOCUMENTS = 20
MAX_DOCUMENT_FRACTION = 0.2
BLOCK = 8
MAX_OVERSHOOT = 1.25


def split_passages(
    passages: Sequence[Passage],
    groups: Mapping[str, str],
    *,
    dev_fraction: float,
    test_fraction: float,
    seed: int,
    held_out: Collection[str] = (),
    max_dev: int = 300,
    max_test: int = 500,
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
    components = find_components(passages, groups)
    away = {components[p] for p in held_out if p in components}
    sides = {p: "held_out" if c in away else "train" for p, c in components.items()}
    units = _units(passages, components, away)
    n_free = sum(len(unit) for unit in units)
    units.sort(key=lambda unit: content_id("split", str(seed), min(unit)))
    for side, fraction, most in (("test", test_fraction, max_test), ("dev", dev_fraction, max_dev)):
        if fraction > 0 and most > 0:
            taken = _take(units, max(1, min(round(fraction * n_free), most)), most)
            sides |= {p: side for i in taken for p in units[i]}
            units = [unit for i, unit in enumerate(units) if i not in taken]
    return sides


def _units(
    passages: Sequence[Passage], components: Mapping[str, str], away: Collection[str]
) -> list[list[str]]:
    """Return lists of passage ids that go to one side, every component in exactly one of them.

    A component that reaches into several documents or blocks goes with that of its first passage,
    so that text which all documents share does not tie all of them together.
    """
    homes = _homes(passages)
    units: dict[str, list[str]] = {}
    for passage in passages:
        component = components[passage.id]
        if component not in away:
            units.setdefault(homes[component], []).append(passage.id)
    return list(units.values())


def _homes(passages: Sequence[Passage]) -> dict[str, str]:
    """Return passage id -> the document or block that it belongs to."""
    sizes = Counter(p.document_id for p in passages)
    if len(sizes) >= MIN_DOCUMENTS:
        largest = max(sizes.values())
        if largest < MAX_DOCUMENT_FRACTION * len(passages):
            return {p.id: p.document_id for p in passages}
    # Halved for small corpora, where a few large blocks could not give the shares asked for.
    size = next((s for s in (1, 2, 4) if len(passages) < s * 10 * BLOCK), BLOCK)
    homes: dict[str, str] = {}
    by_place = sorted(passages, key=lambda p: (p.document_id, p.start, p.id))
    for document_id, members in groupby(by_place, key=lambda p: p.document_id):
        ids = [p.id for p in members]
        n_blocks = max(1, round(len(ids) / size))
        homes |= {p: f"{document_id}/{min(i // size, n_blocks - 1)}" for i, p in enumerate(ids)}
    return homes


def _take(units: Sequence[Sequence[str]], target: int, most: int) -> set[int]:
    """Return the positions of units that together come near the target, at least one is left."""
    taken: set[int] = set()
    n_taken = 0
    limit = min(MAX_OVERSHOOT * target, most)
    for i, unit in enumerate(units[:-1]):
        if n_taken >= target:
            break
        if n_taken + len(unit) <= limit:
            taken.add(i)
            n_taken += len(unit)
    if not taken and len(units) > 1:
        taken.add(min(range(len(units)), key=lambda i: len(units[i])))
    return taken
