"""Passages that must never be separated: near duplicates, and neighbours that share text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from homing.curation.unionfind import UnionFind
from homing.types import Passage


def find_components(passages: Sequence[Passage], groups: Mapping[str, str]) -> dict[str, str]:
    """Return passage id -> component id, in the order of the passages.

    Two passages are in one component when they are in one group, when their spans of the same
    document overlap, or when a chain of such pairs links them. The smallest passage id stands for
    the component.

    Args:
        groups: Passage id -> group id; a passage that is not in it is its own group.
    """
    ordered = sorted(passages, key=lambda p: p.id)
    components = UnionFind(len(ordered))
    first: dict[str, int] = {}
    for i, passage in enumerate(ordered):
        components.join(i, first.setdefault(groups.get(passage.id, passage.id), i))
    _join_overlapping(components, ordered)
    found = {p.id: ordered[components.find(i)].id for i, p in enumerate(ordered)}
    return {p.id: found[p.id] for p in passages}


def _join_overlapping(components: UnionFind, passages: Sequence[Passage]) -> None:
    places = sorted((p.document_id, p.start, p.end, i) for i, p in enumerate(passages))
    for _, members in groupby(places, key=lambda place: place[0]):
        farthest, reaching = -1, -1
        for _, start, end, i in members:
            if start < farthest:
                components.join(reaching, i)
            if end > farthest:
                farthest, reaching = end, i
