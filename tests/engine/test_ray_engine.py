"""What only the engine on Ray has: windows, actors, a cluster that it starts and ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mapped_functions as functions
import psutil
import pytest

from homing.engine.base import Per
from homing.engine.opening import open_engine
from homing.engine.ray import RayEngine
from homing.engine.ray_cluster import connect
from homing.errors import UsageError

pytestmark = pytest.mark.ray

HERE = Path(__file__).parent


def run_python(program: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program that may import what the tests do."""
    script = folder / "program.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(HERE)!r})\n{program}")
    return subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, **variables},
    )


def test_items_are_read_only_a_window_ahead(ray_engine: RayEngine) -> None:
    n_read = 0

    def items() -> Iterator[int]:
        nonlocal n_read
        for number in range(1_000_000):
            n_read += 1
            yield number

    outcomes = ray_engine.map(functions.double, items())
    assert [next(outcomes).value for _ in range(300)] == [2 * number for number in range(300)]
    assert 300 <= n_read < 100_000
    outcomes.close()  # type: ignore[attr-defined]


def test_a_worker_loads_what_it_needs_once(ray_engine: RayEngine, tmp_path: Path) -> None:
    outcomes = list(ray_engine.map(functions.Model(tmp_path), range(60)))
    assert [outcome.value for outcome in outcomes] == [6 * number for number in range(60)]
    assert 1 <= len(list(tmp_path.glob("loaded-*"))) <= 2


def test_both_workers_work(ray_engine: RayEngine) -> None:
    pids = {outcome.value for outcome in ray_engine.map(functions.worker_pid, [0.05] * 60)}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_workers_find_what_is_around_the_one_who_started_them(
    ray_engine: RayEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    monkeypatch.chdir(tmp_path)
    names = ["OPENAI_BASE_URL", "OMP_NUM_THREADS"]
    values = [outcome.value for outcome in ray_engine.map(functions.around, names)]
    assert values == ["http://127.0.0.1:1/v1", "1"]
    (outcome,) = ray_engine.map(functions.working_folder, [0])
    assert outcome.value == str(tmp_path)


def test_one_worker_for_a_machine_without_accelerator_has_all_cores(
    ray_engine: RayEngine,
) -> None:
    import ray

    (outcome,) = ray_engine.map(functions.around, ["OMP_NUM_THREADS"], per="device")
    assert outcome.value == str(int(ray.cluster_resources()["CPU"]))
    pids = {o.value for o in ray_engine.map(functions.worker_pid, [0.01] * 6, per="device")}
    assert len(pids) == 1


@pytest.mark.parametrize("per", ["core", "device"])
def test_leaving_early_ends_the_work_in_progress(
    per: Per,
    ray_engine: RayEngine,
    tmp_path: Path,
    wait_until: Callable[..., None],
) -> None:
    naps = [0.0, 600.0, 600.0]
    for outcome in ray_engine.map(functions.Noting(tmp_path), naps, per=per):
        assert outcome.value == 0.0
        wait_until(lambda: list(tmp_path.glob("600*.pid")), "the second item was not begun")
        break
    pids = [int(file.read_text()) for file in tmp_path.glob("600*.pid")]
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "a worker naps on")
    assert [outcome.value for outcome in ray_engine.map(functions.double, [1, 2])] == [2, 4]


def test_workers_stay_from_one_map_to_the_next(ray_engine: RayEngine) -> None:
    first = {outcome.value for outcome in ray_engine.map(functions.worker_pid, [0.02] * 40)}
    second = {outcome.value for outcome in ray_engine.map(functions.worker_pid, [0.02] * 40)}
    assert second <= first


def test_a_worker_for_the_whole_machine_ends_with_its_map(
    ray_engine: RayEngine,
    wait_until: Callable[..., None],
) -> None:
    (outcome,) = ray_engine.map(functions.worker_pid, [0.0], per="device")
    assert outcome.value is not None
    wait_until(lambda: not psutil.pid_exists(outcome.value), "a worker outlived its map")


def test_engines_of_one_process_share_the_cluster(ray_engine: RayEngine) -> None:
    import ray

    with open_engine("ray", n_workers=1) as other:
        assert [outcome.value for outcome in other.map(functions.double, [3])] == [6]
    assert ray.is_initialized()
    assert [outcome.value for outcome in ray_engine.map(functions.double, [4])] == [8]


def test_the_engine_of_this_machine_never_imports_ray(tmp_path: Path) -> None:
    done = run_python(
        "import mapped_functions as functions\n"
        "from homing.engine.opening import open_engine\n"
        "with open_engine('local', n_workers=1) as engine:\n"
        "    assert [o.value for o in engine.map(functions.double, [1])] == [2]\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'ray'])\n",
        tmp_path,
    )
    assert done.stdout == "[]\n"


def test_without_ray_the_error_names_the_install_command(tmp_path: Path) -> None:
    done = run_python(
        "sys.modules['ray'] = None\n"
        "from homing.engine.opening import open_engine\n"
        "from homing.errors import MissingDependencyError\n"
        "try:\n"
        "    open_engine('ray')\n"
        "except MissingDependencyError as error:\n"
        "    print(error)\n",
        tmp_path,
    )
    assert "pip install 'homing[ray]'" in done.stdout


def test_a_script_is_quiet_and_its_cluster_ends_with_the_engine(tmp_path: Path) -> None:
    done = run_python(
        "import mapped_functions as functions\n"
        "import psutil\n"
        "from homing.engine.opening import open_engine\n"
        "with open_engine('ray', n_workers=2) as engine:\n"
        "    print([o.value for o in engine.map(functions.double, range(5))])\n"
        "    places = {c.laddr.ip for p in psutil.Process().children(recursive=True)\n"
        "        for c in p.net_connections('inet') if c.status == 'LISTEN'}\n"
        "    print({place.removeprefix('::ffff:') for place in places})\n"
        "print(len(psutil.Process().children(recursive=True)))\n",
        tmp_path,
    )
    assert done.stdout.splitlines() == ["[0, 2, 4, 6, 8]", "{'127.0.0.1'}", "0"]
    assert done.stderr == ""


def test_a_cluster_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    before = time.monotonic()
    done = run_python(
        "from homing.engine.ray_cluster import ClusterError, connect\n"
        "try:\n"
        "    connect('127.0.0.1:9')\n"
        "except ClusterError as error:\n"
        "    print(error)\n",
        tmp_path,
    )
    assert "'127.0.0.1:9' cannot be reached" in done.stdout
    assert "ray start --head" in done.stdout
    assert time.monotonic() - before < 60


def test_an_address_of_ray_client_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(UsageError, match="ray job submit"):
        connect("ray://head:10001")
