"""A language model writes from several workers: as one process does, and nobody pays twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from homing.dataset import save_documents, save_passages
from homing.llm.ledger import Ledger
from homing.llm.provider import ProviderError
from homing.llm.testing import Faults, TestServer
from homing.pipeline import open_job
from homing.pipeline.job import CACHE, DOCUMENTS, PASSAGES, QUESTIONS
from homing.pipeline.llm_sharded import JOURNALS
from homing.pipeline.writing import REJECTED, write_stage
from homing.storage import list_files
from homing.types import Document, Passage

N = 60
OUTPUTS = (QUESTIONS, REJECTED)
FAULTS = Faults.mixed(0.05, slow_s=0.05)


@pytest.fixture(autouse=True)
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homing.pipeline.llm_writing.ROWS_IN_STRETCH", 7)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody-123")


def sailing(n: int) -> list[Passage]:
    """Passages of documents of ten; every tenth text stands in another document as well."""
    texts = [f"Boat {i - i % 30 if i % 10 == 0 else i} sails at dawn from pier {i // 10}."
             for i in range(n)]  # fmt: skip
    return [
        Passage(f"p-{i}", f"d-{i // 10}", 0, len(t), t, ("Harbour", f"Pier {i // 10}"))
        for i, t in enumerate(texts)
    ]


def workspace(folder: Path, server: TestServer, n: int = N, **write: Any) -> Path:
    """Make a workspace that is ready to be written about by two workers."""
    source = folder.with_suffix(".txt")
    source.write_text("The passages were put here by a test.\n", encoding="utf-8")
    settings = {"sources": [str(source)], "write.writer": "openai:test", "engine.workers": 2}
    settings |= {"write.base_url": server.url, "write.max_concurrency": 8}
    settings |= {f"write.{name}": value for name, value in write.items()}
    with open_job(folder, create=True, overrides=settings) as job:
        passages = sailing(n)
        documents = [Document(f"d-{i}", f"{i}.md", "Harbour", "Text.", language="en")
                     for i in range(0, (n + 9) // 10, 2)]  # fmt: skip
        save_documents(documents, job.path(DOCUMENTS))
        save_passages(passages, job.path(PASSAGES))
    return folder


def write(folder: Path, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    with open_job(folder, create=False, overrides=overrides, keep_settings=False) as job:
        return dict(write_stage(job).summary)


def contents(folder: Path) -> list[bytes]:
    return [(folder / path).read_bytes() for path in OUTPUTS]


def counts_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name.startswith(("n_", "stop"))}


@pytest.mark.slow
def test_two_workers_write_the_bytes_of_one_process(tmp_path: Path) -> None:
    with TestServer(faults=FAULTS, retry_after_s=0.01) as server:
        many = write(workspace(tmp_path / "many", server))
        assert server.counts.n_repeated == 0
        calm = TestServer()
        with calm:
            one = write(workspace(tmp_path / "one", calm), {"engine.workers": 1})
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    assert many["n_answered"] == one["n_answered"] == one["n_asked"] == N
    assert one["n_questions"] == many["n_questions"] == 2 * N
    assert not (tmp_path / "many" / JOURNALS).exists()
    assert not list_files(tmp_path / "many" / CACHE)


@pytest.mark.slow
def test_from_recorded_answers_both_write_the_same_and_ask_nothing(tmp_path: Path) -> None:
    refuse_some = Faults.of({"refusal": 0.2, "too_long": 0.1}, seed=3)
    with TestServer(faults=refuse_some, retry_after_s=0.01) as server:
        folder = workspace(tmp_path / "tuned", server)
        many = write(folder, {"engine.workers": 1})
        first = contents(folder)
        for relative in OUTPUTS:
            (folder / relative).unlink()
        server.set_faults(Faults.of({"error_500": 1.0}))
        n_asked = server.counts.answered
        again = write(folder, {"write.max_tries": 1})
        assert server.counts.answered == n_asked
    assert many["n_rejected"] > 2
    assert again["n_calls"] == 0
    # What was refused as a request is tried once more by each run; here it fails otherwise.
    assert again["n_found"] + again["n_unusable"] + again["n_failed"] == N
    assert contents(folder)[0] == first[0]


@pytest.mark.slow
def test_the_limit_holds_for_all_workers_together(tmp_path: Path) -> None:
    with TestServer(delay_s=0.02, max_concurrent=5, retry_after_s=None) as server:
        folder = workspace(tmp_path / "tuned", server, n=150)
        summary = write(folder)
        counts = server.counts
    assert summary["n_answered"] == 150
    assert counts.peak_concurrency <= 5
    # The number halves and then grows by one a round: a few calls too many, not one for each.
    assert 0 < counts.by_fault["limit"] < 40
    with TestServer(delay_s=0.02) as server:
        folder = workspace(tmp_path / "other", server, n=100, max_concurrency=6)
        write(folder)
        assert server.counts.peak_concurrency == 6


@pytest.mark.slow
def test_equal_requests_in_different_stretches_are_paid_for_once(tmp_path: Path) -> None:
    with TestServer(delay_s=0.01) as server:
        folder = workspace(tmp_path / "tuned", server, prompt="quiz", neighbours=False)
        with open_job(folder, create=False) as job:
            same = [Passage(f"p-{i}", f"alike-{i}", 0, 9, "All alike.") for i in range(N)]
            save_passages(same, job.path(PASSAGES))
        summary = write(folder)
        assert server.counts.answered == 1
    assert (summary["n_found"], summary["n_answered"]) == (N - 1, 1)
    assert summary["n_questions"] == 2 * N


@pytest.mark.slow
def test_what_is_wrong_for_all_stops_all_with_the_remedy(tmp_path: Path) -> None:
    with TestServer(api_key="another", delay_s=0.01) as server:
        folder = workspace(tmp_path / "tuned", server)
        with pytest.raises(ProviderError, match="does not accept the key") as raised:
            write(folder)
        assert server.counts.requests <= 16
    assert raised.value.exit_code == 8


@pytest.mark.slow
def test_a_budget_holds_for_all_workers_and_all_runs(tmp_path: Path) -> None:
    with TestServer(delay_s=0.01) as server:
        folder = workspace(tmp_path / "tuned", server, price=(1.0, 10.0))
        all_usd = write(workspace(tmp_path / "all", server, price=(1.0, 10.0)))["price_usd"]
        half = {"write.budget": all_usd / 2}
        summary = write(folder, half)
        assert summary["stopped_by_budget"]
        assert 0.3 * all_usd < summary["price_usd"] <= all_usd / 2
        assert 0 < summary["n_not_asked"] == N - summary["n_asked"] + N - summary["n_answered"]
        (folder / QUESTIONS).unlink()
        n_before = server.counts.answered
        assert write(folder, half)["price_usd"] < 0.1 * all_usd
        assert server.counts.answered - n_before <= 5


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_calls_in_flight(tmp_path: Path) -> None:
    with TestServer(delay_s=0.03) as server:
        folder = workspace(tmp_path / "tuned", server, n=150)
        killed: list[int] = []
        killer = threading.Thread(target=lambda: killed.extend(kill_one(server, 60)))
        killer.start()
        summary = write(folder)
        killer.join()
        paid = server.counts.paid_by_content.values()
        assert len(killed) == 1
        assert sum(paid) - len(paid) <= 8
        assert server.counts.n_repeated <= 1  # sent as it was killed
        whole = workspace(tmp_path / "whole", server, n=150)
        write(whole, {"engine.workers": 1})
    assert summary["n_asked"] == summary["n_found"] + summary["n_answered"] == 150
    assert contents(folder) == contents(whole)


def kill_one(server: TestServer, n_answered: int, *, parent: bool = False) -> list[int]:
    """Kill a worker once the server has given so many answers; or what holds it on a cluster."""
    wait_for(lambda: server.counts.answered >= n_answered)
    below = psutil.Process().children(recursive=True)
    worker = next(p for p in below if "homing.engine.worker" in " ".join(p.cmdline()))
    target = worker.parent() if parent else worker
    assert target is not None
    assert not parent or "ray::" in " ".join(target.cmdline())
    target.kill()
    return [target.pid]


@pytest.mark.slow
def test_a_driver_that_is_killed_with_its_workers_costs_the_calls_in_flight(tmp_path: Path) -> None:
    with TestServer(delay_s=0.03, faults=FAULTS, retry_after_s=0.01) as server:
        folder = workspace(tmp_path / "tuned", server, n=400)
        command = [sys.executable, "-c", START, str(folder)]
        for n_answered in (80, 200):
            job = subprocess.Popen(command)
            wait_for(lambda n=n_answered: server.counts.answered >= n)
            os.kill(job.pid, signal.SIGKILL)
            job.wait()
            time.sleep(2.5)  # workers look for their job once a second
        summary = write(folder)
        assert server.counts.n_repeated <= 2
        paid = server.counts.paid_by_content.values()
        assert sum(paid) - len(paid) <= 2 * 8 + 0.1 * 400
        with Ledger(folder / "ledger.sqlite") as ledger:
            assert ledger.spent().n_calls >= 400
        write(workspace(tmp_path / "whole", server, n=400), {"engine.workers": 1})
    assert summary["n_found"] >= 180
    assert contents(folder) == contents(tmp_path / "whole")


START = """
import sys
from homing.pipeline import open_job, llm_writing
from homing.pipeline.writing import write_stage
llm_writing.ROWS_IN_STRETCH = 50
with open_job(sys.argv[1], create=False) as job:
    write_stage(job)
"""


def wait_for(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.002)


@pytest.mark.ray
def test_workers_of_a_cluster_write_the_bytes_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with TestServer(faults=FAULTS, retry_after_s=0.01) as server:
        summary = write(workspace(tmp_path / "ray", server), {"engine.name": "ray"})
        assert server.counts.n_repeated == 0
        write(workspace(tmp_path / "one", server), {"engine.workers": 1})
    assert summary["n_answered"] == N
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")


@pytest.mark.ray
def test_an_actor_that_is_killed_is_begun_again_and_nothing_is_paid_for_twice(
    tmp_path: Path,
) -> None:
    pytest.importorskip("ray")
    with TestServer(delay_s=0.03) as server:
        folder = workspace(tmp_path / "tuned", server, n=150)
        killed: list[int] = []
        killer = threading.Thread(target=lambda: killed.extend(kill_one(server, 60, parent=True)))
        killer.start()
        summary = write(folder, {"engine.name": "ray"})
        killer.join()
        paid = server.counts.paid_by_content.values()
        assert len(killed) == 1
        assert sum(paid) - len(paid) <= 8
        assert server.counts.n_repeated <= 1
        write(workspace(tmp_path / "one", server, n=150), {"engine.workers": 1})
    assert summary["n_asked"] == summary["n_found"] + summary["n_answered"] == 150
    assert contents(folder) == contents(tmp_path / "one")
