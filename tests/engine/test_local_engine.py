"""One bad item costs that item alone, and no process outlives its parent."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from homing.engine.local import LocalEngine


def double(number: int) -> int:
    return 2 * number


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def die_on_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def leave(code: int) -> None:
    os._exit(code)


def refuse(word: str) -> str:
    raise ValueError(f"cannot read\n{word!r}")


def backtrack(n: int) -> bool:
    return re.match(r"(a+)+$", "a" * n + "b") is None


def make_function(_: int) -> Callable[[], int]:
    return lambda: 1


def worker_pid(_: int) -> int:
    return os.getpid()


def loaded_modules(_: int) -> set[str]:
    return {name.split(".")[0] for name in sys.modules}


def long_text(n_characters: int) -> str:
    return "x" * n_characters


def shout(word: str) -> str:
    print(word)
    return word


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with LocalEngine(2) as engine:
        yield engine


def test_values_come_in_the_order_of_the_items(engine: LocalEngine) -> None:
    naps = [0.3, 0.0, 0.1, 0.0]
    assert [outcome.value for outcome in engine.map(nap, naps)] == naps


def test_a_crash_costs_the_item_that_crashed(engine: LocalEngine) -> None:
    outcomes = list(engine.map(die_on_three, range(6)))
    assert [outcome.value for outcome in outcomes] == [0, 1, 2, None, 4, 5]
    failure = outcomes[3].failure
    assert failure is not None
    assert failure.reason == "crashed"
    assert "SIGSEGV" in failure.detail


def test_a_process_that_leaves_is_a_crash_that_names_the_exit_code(engine: LocalEngine) -> None:
    (outcome,) = engine.map(leave, [7])
    assert outcome.failure is not None
    assert outcome.failure.reason == "crashed"
    assert "7" in outcome.failure.detail


def test_an_item_that_hangs_is_ended_at_its_time_limit(engine: LocalEngine) -> None:
    outcomes = list(engine.map(nap, [0.0, 600.0, 0.0], time_limit_s=0.5))
    assert [outcome.value for outcome in outcomes] == [0.0, None, 0.0]
    assert outcomes[1].failure is not None
    assert outcomes[1].failure.reason == "timed_out"
    assert "0.5 s" in outcomes[1].failure.detail


def test_an_item_that_keeps_the_interpreter_busy_is_ended_too(engine: LocalEngine) -> None:
    (outcome,) = engine.map(backtrack, [60], time_limit_s=0.5)
    assert outcome.failure is not None
    assert outcome.failure.reason == "timed_out"


@pytest.mark.slow
def test_such_an_item_does_not_outlive_its_parent_by_much(tmp_path: Path) -> None:
    script = tmp_path / "busy.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from homing.engine.local import LocalEngine\n"
        "from test_local_engine import backtrack\n"
        "print('ready', flush=True)\n"
        "list(LocalEngine(1).map(backtrack, [60], time_limit_s=3))\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    _wait_until(lambda: len(_workers(parent.pid)) == 1, "the worker did not start")
    (worker,) = _workers(parent.pid)
    time.sleep(1)
    parent.kill()
    parent.wait()
    _wait_until(lambda: not _runs(worker), "the worker lives on", patience_s=30)


def test_each_item_can_have_its_own_time_limit(engine: LocalEngine) -> None:
    outcomes = list(engine.map(nap, [0.6, 600.0], time_limit_s=lambda item: min(2 * item, 1.0)))
    assert [outcome.failure is None for outcome in outcomes] == [True, False]


def test_an_exception_comes_back_as_one_line_with_its_place(engine: LocalEngine) -> None:
    (outcome,) = engine.map(refuse, ["report.pdf"])
    assert outcome.failure is not None
    assert outcome.failure.reason == "raised"
    assert "ValueError: cannot read 'report.pdf'" in outcome.failure.detail
    assert "test_local_engine.py" in outcome.failure.detail


def test_a_value_that_cannot_be_sent_is_a_failure_of_that_item(engine: LocalEngine) -> None:
    (outcome,) = engine.map(make_function, [1])
    assert outcome.failure is not None
    assert outcome.failure.reason == "raised"


def test_long_values_arrive_whole(engine: LocalEngine) -> None:
    (outcome,) = engine.map(long_text, [30_000_000])
    assert outcome.value == "x" * 30_000_000


def test_items_are_read_only_a_little_ahead(engine: LocalEngine) -> None:
    n_read = 0

    def items() -> Iterator[int]:
        nonlocal n_read
        for number in range(100_000):
            n_read += 1
            yield number

    outcomes = engine.map(double, items())
    assert next(outcomes).value == 0
    time.sleep(0.2)
    assert next(outcomes).value == 2
    assert n_read < 100
    outcomes.close()  # type: ignore[attr-defined]


def test_workers_stay_from_one_map_to_the_next(engine: LocalEngine) -> None:
    first = {outcome.value for outcome in engine.map(worker_pid, range(20))}
    second = {outcome.value for outcome in engine.map(worker_pid, range(20))}
    assert second <= first
    assert os.getpid() not in first


def test_partial_functions_can_be_mapped(engine: LocalEngine) -> None:
    assert [o.value for o in engine.map(partial(pow, 2), [3, 4])] == [8, 16]


def test_no_items_give_no_outcomes(engine: LocalEngine) -> None:
    assert list(engine.map(double, [])) == []


def test_a_function_that_workers_cannot_import_is_refused(engine: LocalEngine) -> None:
    with pytest.raises((AttributeError, TypeError)):
        list(engine.map(lambda number: number, [1]))


def test_workers_import_no_heavy_library(engine: LocalEngine) -> None:
    (outcome,) = engine.map(loaded_modules, [0])
    assert outcome.value is not None
    assert not outcome.value & {"torch", "transformers", "sentence_transformers", "pyarrow"}


def test_leaving_early_ends_the_work_in_progress() -> None:
    others = set(_workers(os.getpid()))
    with LocalEngine(2) as engine:
        for outcome in engine.map(nap, [0.0, 600.0, 600.0]):
            assert outcome.value == 0.0
            assert set(_workers(os.getpid())) - others
            break
        _wait_until(
            lambda: not set(_workers(os.getpid())) - others, "busy workers outlived the loop"
        )


def test_closing_the_engine_ends_its_workers() -> None:
    engine = LocalEngine(1)
    (outcome,) = engine.map(worker_pid, [0])
    assert outcome.value is not None
    assert psutil.pid_exists(outcome.value)
    engine.close()
    assert not psutil.pid_exists(outcome.value)


def test_ten_thousand_small_items_pass(engine: LocalEngine) -> None:
    total = sum(outcome.value or 0 for outcome in engine.map(double, iter(range(10_000))))
    assert total == 10_000 * 9_999


SLEEPERS = """
import sys
import time
from homing.engine.local import LocalEngine
print("ready", flush=True)
for outcome in LocalEngine(2).map(time.sleep, [600.0, 600.0], time_limit_s=1000):
    print(outcome)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_its_parent(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        _wait_until(lambda: len(_workers(parent.pid)) == 2, "the workers did not start")
        workers = _workers(parent.pid)
        time.sleep(0.3)
        if how == signal.SIGINT:
            os.killpg(parent.pid, how)  # as the terminal does on Ctrl-C
        else:
            os.kill(parent.pid, how)
        parent.wait(timeout=10)
        _wait_until(lambda: not any(_runs(worker) for worker in workers), "a worker lives on")
    finally:
        parent.kill()


def test_a_script_needs_no_main_guard_and_keeps_its_stdout(tmp_path: Path) -> None:
    (tmp_path / "speech.py").write_text("def shout(word):\n    print('noise')\n    return word\n")
    script = tmp_path / "script.py"
    script.write_text(
        "from homing.engine.local import LocalEngine\n"
        "from speech import shout\n"
        "print([o.value for o in LocalEngine(1).map(shout, ['a', 'b'])])\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "['a', 'b']\n"
    assert "noise" in done.stderr


def test_the_number_of_workers_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LocalEngine(0)


def _workers(parent_pid: int) -> list[psutil.Process]:
    children = psutil.Process(parent_pid).children()
    return [child for child in children if "homing.engine.worker" in " ".join(_command(child))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_until(condition: Callable[[], bool], complaint: str, patience_s: float = 15) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.05)
