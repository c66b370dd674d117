"""A workspace is one job's own folder: nothing foreign, nothing half-written, one job at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from homing.errors import UsageError, WorkspaceBusyError
from homing.workspace import Workspace

HOLD = """
import sys, time
from homing.workspace import Workspace
with Workspace(sys.argv[1]) as workspace:
    workspace.path(".report.html.tmp").write_text("half a page")
    print("holding", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process at work in the workspace."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "tuned")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "holding\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_new_folder_becomes_a_workspace_that_is_known_again(tmp_path):
    folder = tmp_path / "deep" / "tuned"
    assert not Workspace.is_at(folder)
    with Workspace(folder):
        pass
    assert Workspace.is_at(folder)
    with Workspace(folder, create=False) as workspace:
        assert workspace.folder == folder


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(UsageError, match="is not a workspace"), Workspace(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "tuned").write_text("")
    with pytest.raises(UsageError, match="is a file"), Workspace(tmp_path / "tuned"):
        pass


def test_verbs_that_need_a_workspace_say_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match="homing run SOURCES --out"):
        Workspace(tmp_path / "absent", create=False).__enter__()
    assert not (tmp_path / "absent").exists()


def test_a_second_job_is_told_which_process_is_at_work(tmp_path, holder):
    with (
        pytest.raises(WorkspaceBusyError, match=rf"process {holder.pid}\b"),
        Workspace(tmp_path / "tuned"),
    ):
        pass


def test_after_kill_9_the_next_job_starts_and_sweeps_what_was_half_written(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with Workspace(tmp_path / "tuned") as workspace:
        assert not workspace.path(".report.html.tmp").exists()


def test_the_lock_is_given_back_when_the_job_ends_badly(tmp_path):
    with pytest.raises(RuntimeError), Workspace(tmp_path / "tuned"):
        raise RuntimeError("the job failed")
    with Workspace(tmp_path / "tuned"):
        pass


def test_a_forked_child_lets_go_of_the_lock_and_leaves_it_to_its_parent(tmp_path):
    with Workspace(tmp_path / "tuned") as workspace:
        child = os.fork()
        if child == 0:
            held = [p for p in Path("/proc/self/fd").iterdir() if "tuned" in os.path.realpath(p)]
            os._exit(len(held))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with pytest.raises(WorkspaceBusyError), Workspace(workspace.folder):
            pass


def test_killed_while_it_was_being_made_a_workspace_can_still_be_made(tmp_path):
    (tmp_path / "tuned" / "manifests").mkdir(parents=True)
    (tmp_path / "tuned" / ".lock").write_text("123\n")
    with Workspace(tmp_path / "tuned") as workspace:
        assert Workspace.is_at(workspace.folder)


def test_a_text_is_written_whole_or_not_at_all(tmp_path):
    with Workspace(tmp_path / "tuned") as workspace:
        workspace.write_text("report.html", "old")
        with pytest.raises(UnicodeEncodeError):
            workspace.write_text("report.html", "new \ud800")
        assert workspace.path("report.html").read_text() == "old"


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    with Workspace(tmp_path / "tuned") as workspace:
        with workspace.replace_folder("model") as fresh:
            (fresh / "weights").write_text("first")
        with suppress(RuntimeError), workspace.replace_folder("model") as fresh:
            (fresh / "weights").write_text("half")
            raise RuntimeError("stopped")
        assert workspace.path("model", "weights").read_text() == "first"
        with workspace.replace_folder("model") as fresh:
            (fresh / "other").write_text("second")
        assert [p.name for p in workspace.path("model").iterdir()] == ["other"]
