"""How many actors a map gets on a Ray cluster, and what each may use of its node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from homing.engine.base import Per
from homing.engine.ray_cluster import Machine


@dataclass(frozen=True, slots=True)
class Pool:
    """Actors that are all alike.

    Attributes:
        size: As many as fit on the cluster now, or were asked for.
        most: As many as there may become while the cluster grows.
        n_cpus: Cores of each; 0 where accelerators are counted.
        n_gpus: Accelerators of each.
        n_threads: What its libraries may use.
    """

    size: int
    most: int
    n_cpus: int
    n_gpus: int
    n_threads: int

    def at_most(self, n: int) -> Pool:
        """Return the pool for `n` pieces of work, of which each actor should have one."""
        most = max(1, min(self.most, n))
        return Pool(min(self.size, most), most, self.n_cpus, self.n_gpus, self.n_threads)


def pool_of(machines: Sequence[Machine], per: Per, n_workers: int | None) -> Pool:
    """Return the pool of a map.

    One actor for each core; for `per="device"` one for each accelerator, else one for each node
    with all of its cores. Where nodes differ, those of the commonest size say how many cores an
    actor gets, larger ones hold several and smaller ones none.

    Args:
        machines: The nodes of the cluster.
        n_workers: The most that the user wants; where the cluster is smaller, an autoscaling one
            may grow up to it. None for what there is.
    """
    if per == "core":
        n = max(1, sum(machine.n_cpus for machine in machines))
        return Pool(min(n, n_workers or n), n_workers or n, 1, 0, 1)
    with_gpus = [machine for machine in machines if machine.n_gpus]
    if with_gpus:
        n = sum(machine.n_gpus for machine in with_gpus)
        n_threads = max(1, min(m.n_cpus // m.n_gpus for m in with_gpus))
        return Pool(n, n, 0, 1, n_threads)
    sizes = Counter(machine.n_cpus for machine in machines if machine.n_cpus)
    n_cpus = max(sizes, key=lambda size: (sizes[size], size), default=1)
    n = max(1, sum(machine.n_cpus // n_cpus for machine in machines))
    return Pool(n, n, n_cpus, 0, n_cpus)
