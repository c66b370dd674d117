"""Which engine runs: `local` on this machine, `ray` on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from homing.engine.base import Engine
from homing.engine.group import Group
from homing.engine.local import LocalEngine
from homing.errors import UsageError
from homing.storage import Place

ENGINES = ("local", "ray")


def open_engine(
    name: str = "local", *, address: str | None = None, n_workers: int | None = None
) -> Engine:
    """Return an engine; its workers start with its first map. Ray is imported for `ray` alone.

    Args:
        name: One of `ENGINES`.
        address: Of a Ray cluster, such as "auto" or "head:6379"; None starts one of this
            machine's cores.
        n_workers: None for as many as there are cores, here or in the cluster.

    Raises:
        UsageError: There is no such engine, or an address for one that takes none.
        MissingDependencyError: Ray is not installed.
    """
    if name == "ray":
        from homing.engine.ray import RayEngine

        return RayEngine(address, n_workers)
    if name != "local":
        raise UsageError(f"There is no engine {name!r}. Choose one of: {', '.join(ENGINES)}.")
    if address is not None:
        raise UsageError("--address is that of a Ray cluster: add --engine ray.")
    return LocalEngine(n_workers)


@contextmanager
def open_group(
    name: str = "local",
    *,
    address: str | None = None,
    n_workers: int | None = None,
    local: Path,
    shared: Place,
) -> Iterator[Group | None]:
    """Give processes that train one model together, None where this process does it alone.

    Args:
        name: One of `ENGINES`; of a cluster alone there is a group.
        address: Of the Ray cluster.
        n_workers: None for as many as the cluster has GPUs, else machines.
        local: A folder of this machine.
        shared: The same folder as every process can reach it.
    """
    if name != "ray":
        yield None
        return
    from homing.engine.ray_training import RayGroup

    with closing(RayGroup(address, n_workers, local=local, shared=shared)) as group:
        yield group
