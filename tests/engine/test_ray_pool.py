"""As many actors as the cluster has room for, and none that would share a core."""

from __future__ import annotations

from homing.engine.ray_cluster import Machine
from homing.engine.ray_pool import Pool, n_cores, pool_of


def test_the_cores_of_all_machines_count() -> None:
    assert n_cores([Machine(2, 0), Machine(4, 1)]) == 6
    assert n_cores([]) == 1


def test_each_accelerator_gets_an_actor_with_its_share_of_the_cores() -> None:
    machines = [Machine(8, 0), Machine(16, 4), Machine(16, 4)]
    assert pool_of(machines) == Pool(8, 0, 1, 4)


def test_without_accelerators_each_node_gets_an_actor_with_all_of_its_cores() -> None:
    machines = [Machine(8, 0), Machine(8, 0), Machine(8, 0)]
    assert pool_of(machines) == Pool(3, 8, 0, 8)


def test_nodes_of_another_size_hold_as_many_as_fit() -> None:
    machines = [Machine(2, 0), Machine(8, 0), Machine(8, 0), Machine(32, 0)]
    assert pool_of(machines) == Pool(6, 8, 0, 8)


def test_there_are_no_more_actors_than_pieces_of_work() -> None:
    pool = pool_of([Machine(16, 4), Machine(16, 4)])
    assert pool.at_most(5) == Pool(5, 0, 1, 4)
    assert pool.at_most(20) == pool
