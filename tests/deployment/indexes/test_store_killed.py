"""`kill -9` in the middle, and the same command again: nothing is missing, nothing is doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hashed import HashEncoder, passage

from homing.deployment.indexes.indexing import Filled, facts_of, fill, prepare
from homing.deployment.indexes.locations import parse_location
from homing.deployment.indexes.opening import open_store
from homing.deployment.indexes.verifying import verify

HERE = Path(__file__).parent
N, BATCH = 120, 16
JOB = """
import os, signal, sys
from contextlib import closing
from hashed import HashEncoder, passage
from homing.deployment.indexes.indexing import facts_of, fill, prepare
from homing.deployment.indexes.locations import parse_location
from homing.deployment.indexes.opening import open_store

location, moment, n, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


encoder = HashEncoder(before=lambda call: die() if moment == "embedding" and call == 5 else None)
records = [passage(number) for number in range(n)]
with closing(open_store(parse_location(location), write=True)) as store:
    prepare(store, facts_of(encoder, "a-model"), location)
    if moment == "finishing":
        store.finish = die
    if moment == "removing":
        remove = store.remove
        records = records[: n // 2]
        store.remove = lambda ids: (remove(ids[: len(ids) // 2]), die())
    if moment == "changing":
        records = [passage(number, f"Rule {number} was changed.") for number in range(n)]
        upsert, calls = store.upsert, []
        store.upsert = lambda *a: (upsert(*a), calls.append(1), len(calls) == 3 and die())
    fill(store, lambda: iter(records), encoder, batch_size=batch)
"""


def killed(location: str, moment: str) -> None:
    """Run the job until it kills itself."""
    path = os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", JOB, location, moment, str(N), str(BATCH)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def run_on(location: str, records: list) -> tuple[Filled, HashEncoder]:
    """Run the job to its end; check that the store holds just these passages, each once."""
    encoder = HashEncoder()
    with closing(open_store(parse_location(location), write=True)) as store:
        prepare(store, facts_of(encoder, "a-model"), location)
        done = fill(store, lambda: iter(records), encoder, batch_size=BATCH)
        embedded = HashEncoder()
        embedded.encoded = list(encoder.encoded)
        entries = [entry for batch in store.entries() for entry in batch]
        assert len(entries) == len(records) == store.count()
        assert set(entries) == {(record.id, record.digest) for record in records}
        seen = verify(store, lambda: iter(records), len(records), encoder, ["who leaves last?"])
        assert seen.n_found_first == seen.n_sampled >= 60
        return done, embedded


@pytest.mark.slow
def test_a_job_killed_while_it_embeds_goes_on_where_it_was(location: str) -> None:
    killed(location, "embedding")
    done, encoder = run_on(location, [passage(number) for number in range(N)])
    assert done == Filled(N, N - 4 * BATCH, 4 * BATCH, 0, 0)
    assert len(encoder.encoded) == N - 4 * BATCH


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["finishing", "removing", "changing"])
def test_a_job_killed_at_another_moment_comes_to_the_same_end(location: str, moment: str) -> None:
    records = [passage(number) for number in range(N)]
    if moment != "finishing":
        run_on(location, records)
    killed(location, moment)
    if moment == "finishing":
        done, _ = run_on(location, records)
        assert done == Filled(N, 0, N, 0, 0)
    elif moment == "removing":
        done, encoder = run_on(location, records[: N // 2])
        assert encoder.encoded == []
        assert 0 < done.n_removed <= N // 2
    else:
        changed = [passage(number, f"Rule {number} was changed.") for number in range(N)]
        done, _ = run_on(location, changed)
        assert done.n_written == N - 3 * BATCH


@pytest.mark.parametrize("at", range(6))
def test_faiss_files_are_joined_wholly_or_not_at_all(place, monkeypatch, at: int) -> None:
    location = place("faiss")
    old, new = [passage(n) for n in range(60)], [passage(n) for n in range(20, 100)]
    run_on(location, old[:])
    steps = iter(range(100))

    def stop_at(name: str, of: type) -> None:
        real = getattr(of, name)

        def step(self: Path, *args: object, **kwargs: object) -> object:
            if "faiss-one" in str(self) and ".new-" in f"{self} {args}" and next(steps) == at:
                raise KeyboardInterrupt
            return real(self, *args, **kwargs)

        monkeypatch.setattr(of, name, step)

    with monkeypatch.context() as monkeypatch:
        stop_at("replace", Path)
        encoder = HashEncoder()
        with closing(open_store(parse_location(location), write=True)) as store:
            prepare(store, facts_of(encoder, "a-model"), location)
            try:
                fill(store, lambda: iter(new), encoder, batch_size=BATCH)
            except KeyboardInterrupt:
                assert at < 4
            else:
                assert at >= 4
    done, encoder = run_on(location, new)
    assert encoder.encoded == []
    assert done.n_passages == 80
