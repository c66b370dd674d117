"""As many actors as the cluster has room for, and none that would share a core."""

from __future__ import annotations

from homing.engine.ray_cluster import Machine
from homing.engine.ray_pool import Pool, pool_of


def workers(n: int) -> Pool:
    return Pool(n, n_cpus=1, n_gpus=0, n_threads=1, is_of_actors=False)


def test_each_core_gets_a_worker_of_one_thread() -> None:
    assert pool_of([Machine(2, 0), Machine(4, 1)], "core", None) == workers(6)


def test_fewer_workers_than_cores_can_be_asked_for() -> None:
    assert pool_of([Machine(16, 0)], "core", 3) == workers(3)


def test_more_workers_than_cores_come_when_the_cluster_grows() -> None:
    assert pool_of([Machine(16, 0)], "core", 64) == workers(64)


def test_each_accelerator_gets_an_actor_with_its_share_of_the_cores() -> None:
    machines = [Machine(8, 0), Machine(16, 4), Machine(16, 4)]
    assert pool_of(machines, "device", 2) == Pool(8, 0, 1, 4, is_of_actors=True)


def test_without_accelerators_each_node_gets_an_actor_with_all_of_its_cores() -> None:
    machines = [Machine(8, 0), Machine(8, 0), Machine(8, 0)]
    assert pool_of(machines, "device", None) == Pool(3, 8, 0, 8, is_of_actors=True)


def test_nodes_of_another_size_hold_as_many_as_fit() -> None:
    machines = [Machine(2, 0), Machine(8, 0), Machine(8, 0), Machine(32, 0)]
    assert pool_of(machines, "device", None) == Pool(6, 8, 0, 8, is_of_actors=True)


def test_there_are_no_more_workers_than_pieces_of_work() -> None:
    assert pool_of([Machine(16, 0)], "core", 64).at_most(5) == workers(5)
    assert pool_of([Machine(16, 0)], "core", 4).at_most(20) == workers(4)
