"""How many workers a map gets on a Ray cluster, and what each may use of its node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from homing.engine.base import Per
from homing.engine.ray_cluster import Machine


@dataclass(frozen=True, slots=True)
class Pool:
    """Workers that are all alike.

    Attributes:
        size: At most; Ray starts as many of them as fit on the cluster, and asks one that scales
            itself for more.
        n_cpus: Cores of each; 0 where accelerators are counted.
        n_gpus: Accelerators of each.
        n_threads: What its libraries may use.
        is_of_actors: Each worker is started for one map and ends with it.
    """

    size: int
    n_cpus: int
    n_gpus: int
    n_threads: int
    is_of_actors: bool

    def at_most(self, n: int) -> Pool:
        """Return the pool for `n` pieces of work, of which each worker should have one."""
        return replace(self, size=max(1, min(self.size, n)))


def pool_of(machines: Sequence[Machine], per: Per, n_workers: int | None) -> Pool:
    """Return the pool of a map.

    One worker for each core; for `per="device"` an actor for each accelerator, else one for each
    node with all of its cores. Where nodes differ, those of the commonest size say how many cores
    an actor gets, larger ones hold several and smaller ones none.

    Args:
        machines: The nodes of the cluster.
        n_workers: The most that the user wants; where the cluster is smaller, an autoscaling one
            may grow up to it. None for what there is.
    """
    if per == "core":
        n = max(1, sum(machine.n_cpus for machine in machines))
        return Pool(n_workers or n, 1, 0, 1, is_of_actors=False)
    with_gpus = [machine for machine in machines if machine.n_gpus]
    if with_gpus:
        n = sum(machine.n_gpus for machine in with_gpus)
        n_threads = max(1, min(m.n_cpus // m.n_gpus for m in with_gpus))
        return Pool(n, 0, 1, n_threads, is_of_actors=True)
    sizes = Counter(machine.n_cpus for machine in machines if machine.n_cpus)
    n_cpus = max(sizes, key=lambda size: (sizes[size], size), default=1)
    n = max(1, sum(machine.n_cpus // n_cpus for machine in machines))
    return Pool(n, n_cpus, 0, n_cpus, is_of_actors=True)
