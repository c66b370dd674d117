"""How fast a core or an accelerator embeds and searches: measured, or worked out from its peak."""

from __future__ import annotations

from homing.pipeline.plan_nodes import ACCELERATORS, REACHED, REACHED_SOURCE, SEARCH_REACHED
from homing.pipeline.plan_rates import NOT_MEASURED, Rate, Rates
from homing.pipeline.plan_types import Size


def embedding(size: Size, rates: Rates) -> Rate | None:
    """Return the seconds that one core or accelerator takes for a passage; None if not known."""
    gpu = ACCELERATORS.get(size.node.gpu)
    if gpu is None:
        return rates.embed_s
    computing_s = rates.flops.value / (REACHED * gpu.peak_flops)
    feeding_s = rates.tokenize_s.value * size.node.n_gpus / size.node.cores
    reason = f"{REACHED:.0%} of its peak: {REACHED_SOURCE}"
    if feeding_s > computing_s:
        reason = f"as fast as its machine's cores tokenize, {rates.tokenize_s.source}"
    return Rate(max(computing_s, feeding_s), f"{gpu.name}, {reason}")


def source_of_embedding(size: Size, rates: Rates) -> str:
    """Return where the rate comes from, or that there is none."""
    found = embedding(size, rates)
    return NOT_MEASURED if found is None else found.source


def search_flops(size: Size, rates: Rates) -> float:
    """Return the products a second of one core or accelerator in an exact search."""
    gpu = ACCELERATORS.get(size.node.gpu)
    return rates.search_flops.value if gpu is None else SEARCH_REACHED * gpu.peak_flops
