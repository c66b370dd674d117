"""What gives way first as a corpus grows, and where the numbers of a plan come from."""

from __future__ import annotations

from collections.abc import Sequence

from homing.pipeline.plan_nodes import SEARCH_REACHED_SOURCE, STORE_SOURCE
from homing.pipeline.plan_rates import MEMORY_SOURCE, RAY_SOURCE, Rates
from homing.pipeline.plan_speed import search_flops
from homing.pipeline.plan_types import HOUR, Limit, Size, StageEstimate, Writing

DAY_S = 24 * HOUR
ROOM = 0.8
"""Of a machine's memory, for one process."""


def find_limits(size: Size, rates: Rates, stages: Sequence[StageEstimate]) -> tuple[Limit, ...]:
    """Return what gives way on these machines, what gives way first first."""
    found = [_memory(size, rates), _postings(size, rates), _leading(size, stages)]
    found += [_disk(size, stages), _search(size, rates)]
    return tuple(sorted(found, key=lambda limit: limit.n_passages))


def sources_of(size: Size, rates: Rates, writing: Writing) -> dict[str, str]:
    """Return what -> where it comes from, of every number that the stages do not name."""
    sources = {
        "tokens of a passage": rates.tokens.source,
        "arithmetic of the model": rates.flops.source,
        "memory": MEMORY_SOURCE,
        "price of machines": size.node.price_source,
        "price of storage": STORE_SOURCE,
        "exact search": SEARCH_REACHED_SOURCE if size.node.gpu else rates.search_flops.source,
    }
    if size.n_nodes > 1:
        sources["overhead of Ray"] = RAY_SOURCE
    if writing.source:
        sources["language model"] = writing.source
    return sources


def _memory(size: Size, rates: Rates) -> Limit:
    name, memory = max(rates.memory.items(), key=lambda item: item[1].driver_passage)
    return Limit(
        (ROOM * size.node.memory_bytes - memory.driver_base) / memory.driver_passage,
        f"the memory of the leading process in {name}: numbers and digests of every passage",
        "a leading machine with more memory",
    )


def _postings(size: Size, rates: Rates) -> Limit:
    return Limit(
        ROOM * size.node.memory_bytes / rates.bm25_bytes.value,
        "BM25's postings, which one process holds",
        "leave out BM25 and what is fused with it",
    )


def _disk(size: Size, stages: Sequence[StageEstimate]) -> Limit:
    each, disk = sum(stage.kept_bytes for stage in stages) / size.n_passages, size.node.disk_bytes
    return Limit(
        disk / each,
        f"the leading machine's disk of {disk / 1e9:,.0f} GB, which holds a copy of the workspace, "
        "and the vectors",
        "a larger disk (HOMING_CACHE)",
    )


def _leading(size: Size, stages: Sequence[StageEstimate]) -> Limit:
    driver_s = sum(stage.driver_s for stage in stages)
    return Limit(
        DAY_S * size.n_passages / max(driver_s, 1e-9),
        "a day of the leading process, which puts tables together and joins near-duplicates",
        "a leading machine with faster cores; more machines do not help",
    )


def _search(size: Size, rates: Rates) -> Limit:
    flops = search_flops(size, rates) * size.n_parts
    return Limit(
        (DAY_S * flops / (2 * size.dimensions)) ** 0.5,
        "a day of exact search, if a question about every passage is searched for among all "
        "(hard negatives, a language model's round trip)",
        "more machines, or mine and filter on a sample",
    )
