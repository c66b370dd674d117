"""Passages that must never be separated: near duplicates, and neighbours that share text.

Memory: some 150 bytes a passage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from homing.curation.spans import Spans, group_codes, spans_of
from homing.curation.unionfind import UnionFind
from homing.types import IntArray, Passage

Pairs = Iterator[tuple[int, int]]


def find_components(passages: Sequence[Passage], groups: Mapping[str, str]) -> dict[str, str]:
    """Return passage id -> component id, in the order of the passages.

    Two passages are in one component when they are in one group, when their spans of the same
    document overlap, or when a chain of such pairs links them. The smallest passage id stands for
    the component.

    Args:
        groups: Passage id -> group id; a passage that is not in it is its own group.
    """
    components = component_rows(spans_of(passages), group_codes(passages, groups))
    return {
        passage.id: passages[row].id
        for passage, row in zip(passages, components.tolist(), strict=True)
    }


def component_rows(spans: Spans, groups: IntArray) -> IntArray:
    """Return for each row the one that stands for its component; see `find_components`.

    Args:
        groups: Equal for rows of one group, int64 (n,).
    """
    ranks = spans.ranks()
    components = UnionFind(len(spans))
    for pairs in (_of_one_group(groups), _overlapping(spans)):
        for a, b in pairs:
            components.join(int(ranks[a]), int(ranks[b]))
    roots = np.array(components.roots(), dtype=np.int64)
    return spans.order[roots[ranks]]


def _of_one_group(groups: IntArray) -> Pairs:
    """Yield pairs of rows that chain the members of every group."""
    order = np.argsort(groups, kind="stable")
    alike = np.flatnonzero(groups[order[1:]] == groups[order[:-1]])
    yield from zip(order[alike].tolist(), order[alike + 1].tolist(), strict=True)


def _overlapping(spans: Spans) -> Pairs:
    """Yield pairs of rows that chain the passages whose spans overlap.

    A span that begins before the farthest end so far overlaps the one that reaches there, and so
    does every span between the two.
    """
    order = np.lexsort((spans.ends, spans.starts, spans.documents))
    if not len(order):
        return
    # Each document's offsets lie behind those of the one before it, so that one pass does for all.
    _, document = np.unique(spans.documents[order], return_inverse=True)
    offset = document.astype(np.int64) * (int(spans.ends.max()) + 2)
    farthest = np.maximum.accumulate(spans.ends[order] + offset)
    overlaps = np.flatnonzero((spans.starts[order] + offset)[1:] < farthest[:-1])
    yield from zip(order[overlaps].tolist(), order[overlaps + 1].tolist(), strict=True)
