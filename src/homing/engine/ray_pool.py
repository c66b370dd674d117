"""How many workers a map gets on a Ray cluster, and what an actor may use of its node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from homing.engine.ray_cluster import Machine


@dataclass(frozen=True, slots=True)
class Pool:
    """Actors that are all alike.

    Attributes:
        size: At most; Ray starts as many of them as fit on the cluster, and asks one that scales
            itself for more.
        n_cpus: Cores of each; 0 where accelerators are counted.
        n_gpus: Accelerators of each.
        n_threads: What its libraries may use.
    """

    size: int
    n_cpus: int
    n_gpus: int
    n_threads: int

    def at_most(self, n: int) -> Pool:
        """Return the pool for `n` pieces of work, of which each actor should have one."""
        return replace(self, size=max(1, min(self.size, n)))


def n_cores(machines: Sequence[Machine]) -> int:
    """Return the cores of the cluster, at least 1."""
    return max(1, sum(machine.n_cpus for machine in machines))


def pool_of(machines: Sequence[Machine]) -> Pool:
    """Return the actors of a map per device.

    One for each accelerator, else one for each node with all of its cores. Where nodes differ,
    those of the commonest size say how many cores an actor gets, larger ones hold several and
    smaller ones none.
    """
    with_gpus = [machine for machine in machines if machine.n_gpus]
    if with_gpus:
        n = sum(machine.n_gpus for machine in with_gpus)
        n_threads = max(1, min(m.n_cpus // m.n_gpus for m in with_gpus))
        return Pool(n, 0, 1, n_threads)
    sizes = Counter(machine.n_cpus for machine in machines if machine.n_cpus)
    n_cpus = max(sizes, key=lambda size: (sizes[size], size), default=1)
    n = max(1, sum(machine.n_cpus // n_cpus for machine in machines))
    return Pool(n, n_cpus, 0, n_cpus)
