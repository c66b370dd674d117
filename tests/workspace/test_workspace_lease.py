"""One job at a time in a remote workspace; a job that died does not hold it for long."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from homing.errors import HomingError, WorkspaceBusyError
from homing.storage import list_files, remove
from homing.workspace import lease as leases
from homing.workspace.lease import Lease


@pytest.fixture
def place(s3) -> str:
    return s3.uri("data/tuned")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Waits that a test can afford."""
    monkeypatch.setattr(leases, "PAUSE_S", 0.2)


def claims(place: str) -> list[str]:
    return [file.name for file in list_files(f"{place}/.lock")]


def test_a_second_job_is_told_who_holds_the_workspace(place):
    first = Lease(place, "a")
    with pytest.raises(WorkspaceBusyError, match=r"process \d+ on \S+, since 20.*s3://data/tuned"):
        Lease(place, "b")
    assert claims(place) == ["a"]
    first.release()
    Lease(place, "b").release()
    assert claims(place) == []


def test_of_many_that_come_at_the_same_time_at_most_one_gets_it(place, monkeypatch):
    monkeypatch.setattr(leases, "TRIES", 1)
    got, start = [], threading.Barrier(6)

    def come(name: str) -> None:
        start.wait()
        with contextlib.suppress(WorkspaceBusyError):
            got.append(Lease(place, name))

    threads = [threading.Thread(target=come, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) <= 1
    assert len(claims(place)) == len(got)
    for lease in got:
        lease.release()


def test_two_that_met_come_again_and_one_of_them_gets_it(place, monkeypatch):
    monkeypatch.setattr(leases, "TRIES", 20)
    got = []

    def come(name: str) -> None:
        lease = Lease(place, name)
        got.append(name)
        lease.release()

    threads = [threading.Thread(target=come, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == ["a", "b"]


def test_the_claim_of_a_job_that_died_lapses(place, monkeypatch):
    monkeypatch.setattr(leases, "STALE_S", 2.0)
    dead = Lease(place, "dead")
    dead._over.set()  # it gives no further sign
    dead._thread.join()
    with pytest.raises(WorkspaceBusyError):
        Lease(place, "b")
    time.sleep(3.5)  # the server's times are whole seconds
    Lease(place, "b").release()
    assert claims(place) == []


def test_a_job_that_lives_renews_its_claim(place, monkeypatch):
    monkeypatch.setattr(leases, "STALE_S", 3.0)
    monkeypatch.setattr(leases, "RENEW_S", 0.3)
    first = Lease(place, "a")
    time.sleep(4.5)
    with pytest.raises(WorkspaceBusyError):
        Lease(place, "b")
    first.check()
    first.release()


def test_a_job_of_the_same_copy_takes_over_at_once(place):
    Lease(place, "a")._over.set()  # killed
    Lease(place, "a").release()


def test_a_job_whose_claim_was_taken_stops_before_it_writes(place):
    first = Lease(place, "a")
    remove(f"{place}/.lock/a")  # as one does that takes it for dead
    second = Lease(place, "b")
    with pytest.raises(HomingError, match="Another job has taken over s3://data/tuned"):
        first.check()
    first.release()
    assert claims(place) == ["b"]
    second.release()


def test_a_renewal_does_not_bring_back_a_claim_that_was_taken(place):
    first = Lease(place, "a")
    remove(f"{place}/.lock/a")
    first._renew()
    assert first.is_lost
    assert claims(place) == []
    first.release()
