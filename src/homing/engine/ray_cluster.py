"""Connecting to a Ray cluster, or starting one of this machine; nothing else calls `ray.init`.

A cluster of this machine lives as long as the process that started it, listens on 127.0.0.1 alone
and reports to nobody.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import socket
import threading
from dataclasses import dataclass
from typing import Any

from homing.engine.local import n_cores
from homing.engine.ray_manners import (
    is_debugging,
    keep_off_stdout,
    on_loopback,
    own_sigterm,
    quiet_start,
)
from homing.errors import HomingError, MissingDependencyError, UsageError
from homing.progress import say

LARGEST_STORE = 1 << 30
"""Bytes of shared memory, at most, for what is on its way between the processes of this machine."""
PATIENCE_S = 10.0
"""For the head of a cluster to answer at all."""
ADDRESS_VARIABLE = "RAY_ADDRESS"
"""Set by Ray for a job that was submitted to a cluster; it stands in for an address not given."""
DASHBOARD_NEEDS = ("aiohttp_cors", "opencensus")
"""What the extra ray[default] installs."""

_lock = threading.Lock()
_n_open = 0
_is_ours = False


class ClusterError(HomingError):
    """A Ray cluster cannot be reached or started; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One node of the cluster: what Ray may use of it."""

    n_cpus: int
    n_gpus: int


class Connection:
    """That this process uses Ray; the last one to be closed ends what `connect` began."""

    def __init__(self) -> None:
        self._is_open = True

    def close(self) -> None:
        """Disconnect, and end a cluster of this machine, unless someone else still uses it."""
        global _n_open, _is_ours
        with _lock:
            if not self._is_open:
                return
            self._is_open = False
            _n_open -= 1
            if _n_open or not _is_ours:
                return
            _is_ours = False
        import ray

        ray.shutdown()


def check_installed() -> None:
    """Raise `MissingDependencyError` if Ray is not installed; nothing is imported."""
    if importlib.util.find_spec("ray") is None:
        raise MissingDependencyError.for_extra("Ray", "ray")


def connect(address: str | None = None, n_cpus: int | None = None) -> Connection:
    """Return a connection to a cluster; where this process has one already, to that one.

    Args:
        address: "auto" for the cluster that this machine is a node of, or HOST:PORT of its head;
            None for what `RAY_ADDRESS` says, else a new cluster of this machine.
        n_cpus: Workers at the same time in a new cluster; all cores at least.

    Raises:
        MissingDependencyError: Ray is not installed.
        UsageError: The address is one of Ray Client, through which Homing does not work.
        ClusterError: The cluster cannot be reached or started.
    """
    global _n_open, _is_ours
    address = address or os.environ.get(ADDRESS_VARIABLE)
    address = None if address in ("", "local") else address
    if address is not None and address.startswith("ray://"):
        raise UsageError(_no_client(address))
    check_installed()
    with _lock:
        if not _is_initialized():
            _initialize(address, n_cpus)
            _is_ours = True
        elif address not in (None, "auto"):
            _check_same(str(address))
        _n_open += 1
    return Connection()


def machines() -> list[Machine]:
    """Return the nodes of the cluster that are alive and offer cores or accelerators."""
    import ray

    offers = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    found = [Machine(int(offer.get("CPU", 0)), int(offer.get("GPU", 0))) for offer in offers]
    return [machine for machine in found if machine.n_cpus or machine.n_gpus]


def _is_initialized() -> bool:
    import ray

    return bool(ray.is_initialized())


def _check_same(address: str) -> None:
    import ray

    present = ray.get_runtime_context().gcs_address
    if address != present:
        raise ClusterError(
            f"This process uses the Ray cluster at {present} and cannot use the one at {address} "
            "too. Close the first engine before the second is opened."
        )


def _initialize(address: str | None, n_cpus: int | None) -> None:
    import ray

    wanted: dict[str, Any] = {
        "address": address or "local",
        "log_to_driver": is_debugging(),
        "logging_level": logging.INFO if is_debugging() else logging.ERROR,
    }
    if address is None:
        wanted |= _this_machine(n_cpus)
    where = contextlib.nullcontext() if address else on_loopback()
    try:
        if address is not None:
            _knock(address)
        with own_sigterm(), quiet_start(), where:
            context = ray.init(**wanted)
    except Exception as error:
        raise ClusterError(_not_reached(address, error)) from error
    keep_off_stdout()
    url = context.dashboard_url
    if url:
        say(f"Ray's dashboard: {url if '://' in url else f'http://{url}'}")


def _knock(address: str) -> None:
    """Raise an error if nobody listens there; Ray itself would try for minutes."""
    if address == "auto":
        from ray._private.services import canonicalize_bootstrap_address

        address = canonicalize_bootstrap_address(address) or ""
    host, _, port = address.rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S).close()


def _this_machine(n_cpus: int | None) -> dict[str, Any]:
    """Return what `ray.init` takes for a cluster of this machine alone."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    has_dashboard = all(importlib.util.find_spec(name) for name in DASHBOARD_NEEDS)
    return {
        "num_cpus": max(n_cpus or 0, n_cores()),
        "object_store_memory": min(LARGEST_STORE, _memory() // 8),
        "include_dashboard": has_dashboard,
        # Ray would end the worker and not the process in it that has the memory; the kernel's
        # choice is the right one, and costs one item.
        "_system_config": {"memory_monitor_refresh_ms": 0},
    }


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 8 << 30


def _not_reached(address: str | None, error: Exception) -> str:
    said = " ".join(str(error).split())[:500].rstrip(".") or type(error).__name__
    if address is None:
        return (
            f"Ray cannot start on this machine: {said}. See /tmp/ray/session_latest/logs, or run "
            "without --engine ray."
        )
    return (
        f"The Ray cluster at {address!r} cannot be reached: {said}. On one of its nodes `ray "
        "status` shows whether it runs; start one with `ray start --head`, or leave --address out "
        "to use this machine alone."
    )


def _no_client(address: str) -> str:
    return (
        f"{address} is an address of Ray Client, through which Homing does not work. Run the "
        "command on a node of the cluster with --address auto, or hand it to the cluster with "
        "`ray job submit -- homing run ...`."
    )
