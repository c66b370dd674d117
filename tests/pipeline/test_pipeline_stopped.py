"""A job that was stopped anywhere goes on when it is run again, to the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from homing.pipeline import Outcome
from homing.workspace import hash_file

CHANGING = {"manifests", "cache", "report.html", ".lock", "README.md", "homing.yaml"}
"""What tells when, where or how fast a job ran."""


def bytes_of(workspace: Path) -> dict[str, str]:
    return {
        path.relative_to(workspace).as_posix(): hash_file(path)
        for path in workspace.rglob("*")
        if path.is_file() and not CHANGING & {*path.relative_to(workspace).parts}
    }


def start(handbook: Path, out: Path, settings: dict[str, object], *flags: str) -> subprocess.Popen:
    """Start `homing run` in a process of its own."""
    values = [x for name, value in settings.items() for x in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "homing", "run", str(handbook), "--out", str(out), *values]
    return subprocess.Popen(
        [*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(process: subprocess.Popen, word: str) -> None:
    """Read the job's messages until one holds the word."""
    seen = []
    for line in process.stderr:
        seen.append(line)
        if word in line:
            return
    pytest.fail(f"{word!r} was never said:\n{''.join(seen)}")


def finish(process: subprocess.Popen) -> str:
    """Return what the job printed; it must end well."""
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    "word", ["ingest:", "curate:", "pairs over", "pairs →", "Evaluating tuned", "evaluate:"]
)
def test_killed_after_any_stage_a_job_goes_on_to_the_same_bytes(
    tmp_path, handbook, settings, finished: Outcome, word
):
    process = start(handbook, tmp_path / "tuned", settings)
    wait_for(process, word)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finish(start(handbook, tmp_path / "tuned", settings))
    assert bytes_of(tmp_path / "tuned") == bytes_of(finished.workspace)


@pytest.mark.slow
def test_killed_again_and_again_at_any_moment_a_job_still_ends_with_the_same_bytes(
    tmp_path, handbook, settings, finished: Outcome
):
    delay_s = 1.0
    for _ in range(40):
        process = start(handbook, tmp_path / "tuned", settings)
        time.sleep(delay_s)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        delay_s *= 1.5
    assert process.returncode == 0, process.stderr.read()
    assert bytes_of(tmp_path / "tuned") == bytes_of(finished.workspace)
    leftovers = [
        p for p in (tmp_path / "tuned").rglob("*") if p.name.endswith((".tmp", ".partial"))
    ]
    assert leftovers == []


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_the_same_command_continues(
    tmp_path, handbook, settings, finished: Outcome
):
    process = start(handbook, tmp_path / "tuned", settings, "--json")
    wait_for(process, "curate:")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["kind"] == "Interrupted"
    assert "Traceback" not in err
    answer = json.loads(finish(start(handbook, tmp_path / "tuned", settings, "--json")))
    ran = [name for name, stage in answer["stages"].items() if not stage["up_to_date"]]
    assert "ingest" not in ran
    assert bytes_of(tmp_path / "tuned") == bytes_of(finished.workspace)


@pytest.mark.slow
def test_a_quiet_job_says_nothing_but_its_answer(tmp_path, handbook, settings, finished: Outcome):
    process = start(handbook, tmp_path / "tuned", settings, "--json", "--quiet")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    assert json.loads(out)["n_queries"] == finished.as_json()["n_queries"] > 5


@pytest.mark.slow
def test_a_second_job_in_the_same_workspace_is_refused_and_the_first_is_not_disturbed(
    tmp_path, handbook, settings, finished: Outcome
):
    first = start(handbook, tmp_path / "tuned", settings)
    wait_for(first, "curate:")
    second = start(handbook, tmp_path / "tuned", settings)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 6
    assert f"process {first.pid}" in err
    finish(first)
    assert bytes_of(tmp_path / "tuned") == bytes_of(finished.workspace)


@pytest.mark.slow
def test_a_full_disk_is_named_and_with_more_space_the_job_goes_on(
    tmp_path, handbook, settings, finished: Outcome
):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root and the right to mount")
    try:
        process = start(handbook, disk / "tuned", settings)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1, err
        assert "No space left" in err
        assert "Traceback" not in err
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        finish(start(handbook, disk / "tuned", settings))
        assert bytes_of(disk / "tuned") == bytes_of(finished.workspace)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
