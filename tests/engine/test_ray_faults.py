"""A worker, a node or the driver dies in the middle: the job goes on, with the same values."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mapped_functions as functions
import psutil
import pytest

from homing.engine.base import Outcome, Per
from homing.engine.ray import RayEngine
from homing.engine.ray_manners import on_loopback

pytestmark = pytest.mark.ray

N_ITEMS = 24
EXPECTED = [number * number for number in range(N_ITEMS)]


def n_calls(folder: Path) -> dict[int, int]:
    """Return how often the function was called with each item."""
    return {int(f.stem): len(f.read_text().splitlines()) for f in folder.glob("*.calls")}


def finish(
    engine: RayEngine, folder: Path, when_some_are_done: Callable[[], None], per: Per = "core"
) -> list[Outcome[int, int]]:
    """Return all outcomes; something happens when the first of them are there."""
    outcomes = engine.map(functions.Counted(folder, 0.4), range(N_ITEMS), per=per)
    first = [next(outcomes) for _ in range(4)]
    when_some_are_done()
    return first + list(outcomes)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one core each on this machine, and a head that has none."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    # A node that says nothing for three seconds is dead; as it is, that takes half a minute.
    config = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": config}
    with on_loopback():
        cluster = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(3):
            cluster.add_node(num_cpus=1)
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def engine(cluster: Any) -> Iterator[RayEngine]:
    with RayEngine(cluster.address) as engine:
        yield engine


@pytest.mark.parametrize("per", ["core", "device"])
def test_a_worker_that_is_killed_costs_what_it_had_in_hand(
    per: Per, engine: RayEngine, tmp_path: Path, commands: Callable[..., list[psutil.Process]]
) -> None:
    def kill() -> None:
        (worker, *_) = commands("homing.engine.worker", psutil.Process())
        worker.parent().kill()

    outcomes = finish(engine, tmp_path, kill, per)
    assert [outcome.value for outcome in outcomes] == EXPECTED
    assert sum(n_calls(tmp_path).values()) <= N_ITEMS + 2


def test_an_item_that_ends_its_process_is_not_tried_again(
    engine: RayEngine, tmp_path: Path
) -> None:
    outcomes = list(engine.map(functions.Deadly(tmp_path), [1, 2, 3]))
    assert [outcome.value for outcome in outcomes] == [1, None, 3]
    assert n_calls(tmp_path) == {1: 1, 2: 1, 3: 1}


def lose_a_node(cluster: Any, commands: Callable[..., list[psutil.Process]]) -> None:
    """Kill a node that works, as if its power had gone."""
    raylets = {node: node.all_processes["raylet"][0].process.pid for node in cluster.worker_nodes}
    at_work = [
        node
        for node, pid in raylets.items()
        if commands("homing.engine.worker", psutil.Process(pid))
    ]
    assert at_work
    cluster.remove_node(at_work[0], allow_graceful=False)


def test_a_node_that_dies_costs_what_it_had_in_hand(
    engine: RayEngine,
    cluster: Any,
    tmp_path: Path,
    commands: Callable[..., list[psutil.Process]],
) -> None:
    outcomes = finish(engine, tmp_path, lambda: lose_a_node(cluster, commands))
    assert [outcome.value for outcome in outcomes] == EXPECTED
    calls = n_calls(tmp_path)
    assert set(calls) == set(range(N_ITEMS))
    assert sum(calls.values()) <= N_ITEMS + 2


def test_big_values_that_lay_on_a_node_that_dies_are_made_again(
    engine: RayEngine, cluster: Any, commands: Callable[..., list[psutil.Process]]
) -> None:
    outcomes = engine.map(functions.megabytes, range(1, 9))
    first = next(outcomes)
    time.sleep(2)  # the others are made, and wait on their nodes
    lose_a_node(cluster, commands)
    values = [first.value, *(outcome.value for outcome in outcomes)]
    assert values == [functions.megabytes(n) for n in range(1, 9)]


DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
import mapped_functions as functions
from homing.engine.ray import RayEngine
with RayEngine(n_workers=2) as engine:
    for outcome in engine.map(functions.Counted(Path(sys.argv[1]), float(sys.argv[2])), range(8)):
        print(outcome.value, flush=True)
"""


def test_nothing_outlives_a_driver_that_is_killed(
    tmp_path: Path,
    wait_until: Callable[..., None],
    commands: Callable[..., list[psutil.Process]],
) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(here=str(Path(__file__).parent)))
    driver = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), "60"], stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: len(n_calls(tmp_path)) == 2, "the items were not begun", 60)
        # Ray's agents, which do no work, wait a minute for the cluster to come back.
        started = psutil.Process(driver.pid).children(recursive=True)
        children = [child for child in started if not child.name().endswith("Agent")]
        assert len(commands("homing.engine.worker", psutil.Process(driver.pid))) == 2
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        wait_until(lambda: not alive(children), "a process lives on")
    finally:
        driver.kill()
    again = subprocess.run(
        [sys.executable, script, tmp_path, "0"], capture_output=True, text=True, timeout=120
    )
    assert again.stdout.split() == [str(number * number) for number in range(8)]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if is_alive(process)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
