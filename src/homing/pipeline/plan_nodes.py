"""Machines that can be rented, what they cost, and how fast their accelerators are said to be.

Prices and published figures grow old: each comes with its source and the day on which it was read,
and `homing plan` says so. A price of one's own goes before them (`--usd-per-hour`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

READ_ON = "2026-11-26"
PRICE_SOURCE = (
    "AWS, on demand, Linux, us-east-1: the price list of July 2026 by way of copies, read on "
    f"{READ_ON}"
)
STORE_USD_PER_GB_MONTH = 0.023
STORE_SOURCE = f"Amazon S3 Standard, first 50 TB, us-east-1, read on {READ_ON}"
HERE = "here"
"""Stands for a machine such as the one that runs."""


@dataclass(frozen=True, slots=True)
class NodeKind:
    """One kind of machine of a cluster.

    Attributes:
        instance: Its name at the provider.
        cores: As the provider counts them: threads, of which two share a core.
        memory_bytes: Of all of it.
        gpu: What its accelerators are called, "" for none.
        n_gpus: How many it has.
        usd_per_hour: None where it is not known.
        price_source: Where that stands.
        disk_bytes: Of its disk, for the copy of a workspace that the leading machine works in; 200
            GB is what examples/cluster/cluster.yaml asks for.
    """

    instance: str
    cores: int
    memory_bytes: int
    gpu: str = ""
    n_gpus: int = 0
    usd_per_hour: float | None = None
    price_source: str = PRICE_SOURCE
    disk_bytes: int = 200 * 10**9


@dataclass(frozen=True, slots=True)
class Accelerator:
    """A GPU: `peak_flops` a second in bfloat16, dense, as its maker's data sheet has it."""

    name: str
    peak_flops: float
    source: str


NODE_KINDS = {
    "none": NodeKind("m7i-flex.4xlarge", 16, 64 * 2**30, usd_per_hour=0.76608),
    "l4": NodeKind("g6.4xlarge", 16, 64 * 2**30, "l4", 1, 1.3232),
    "a100": NodeKind("p4d.24xlarge", 96, 1152 * 2**30, "a100", 8, 21.957642),
    "h100": NodeKind("p5.4xlarge", 16, 256 * 2**30, "h100", 1, 6.88),
}
"""What `--gpu` names -> the smallest machine at AWS that has it."""

ACCELERATORS = {
    "l4": Accelerator("NVIDIA L4", 121e12, "NVIDIA L4 data sheet, bfloat16 without sparsity"),
    "a100": Accelerator("NVIDIA A100", 312e12, "NVIDIA A100 data sheet, bfloat16"),
    "h100": Accelerator(
        "NVIDIA H100 SXM", 989e12, "NVIDIA H100 data sheet, bfloat16 without sparsity"
    ),
}
REACHED = 0.10
"""Share of the peak that embedding reaches."""
REACHED_SOURCE = (
    "not measured by us; an L4 reached 10 % of its peak with sentence-transformers (bge-large, "
    "fp16, 19,550 tokens a second: docs/docs/benchmarking.md of michaelfeil/infinity, read on "
    f"{READ_ON})"
)
SEARCH_REACHED = 0.20
"""Share of the peak of an exact search, which also has to pick the best of what it computes."""
SEARCH_REACHED_SOURCE = "assumed, not measured: a fifth of the peak"


def this_machine() -> NodeKind:
    """Return the machine that runs, whose price is not known."""
    import shutil

    from homing.engine.local import n_cores

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = shutil.disk_usage(os.getcwd()).free
    unknown = "not known"
    return NodeKind(
        "a machine like this one", n_cores(), memory, price_source=unknown, disk_bytes=free
    )
