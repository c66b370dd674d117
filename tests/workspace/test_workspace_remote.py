"""A workspace in a bucket: the job works in a copy, and the bucket has what any other needs."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from homing.errors import UsageError, WorkspaceBusyError
from homing.storage import list_files, read_bytes, remove, write_bytes
from homing.workspace import Workspace, copied

REST = {"inputs": {}, "settings": {}, "code": "1", "outputs": ["data"]}


@pytest.fixture
def place(s3) -> str:
    return s3.uri("bucket/tuned")


def machine(monkeypatch, tmp_path, name: str) -> None:
    """Go on as on another machine: one with another cache folder."""
    monkeypatch.setenv("HOMING_CACHE", str(tmp_path / name))


def names(place: str) -> list[str]:
    return [file.name for file in list_files(place)]


def write_table(workspace: Workspace, text: str = "rows") -> dict[str, object]:
    workspace.write_text("data/table", text)
    return {"n": len(text)}


def test_a_new_place_becomes_a_workspace_that_is_known_again(place):
    assert not Workspace.is_at(place)
    with Workspace(place + "/") as workspace:
        assert workspace.folder.name == "tuned"
    assert Workspace.is_at(place)
    with Workspace(place, create=False):
        pass


def test_what_a_stage_made_is_there_when_it_ends(place):
    with Workspace(place) as workspace:
        workspace.stage("write", lambda: write_table(workspace), **REST)
        assert read_bytes(f"{place}/data/table") == b"rows"
        assert "manifests/write.json" in names(place)


def test_another_machine_goes_on_from_there(place, tmp_path, monkeypatch):
    with Workspace(place) as workspace:
        workspace.stage("write", lambda: write_table(workspace), **REST)
    machine(monkeypatch, tmp_path, "other")
    with Workspace(place, create=False) as workspace:
        _, ran = workspace.stage("write", lambda: write_table(workspace), **REST)
        assert not ran
        workspace.write_text("data/more", "more")
    machine(monkeypatch, tmp_path, "homing-cache")
    with Workspace(place) as workspace:
        assert workspace.path("data/more").read_text() == "more"


def test_what_agrees_is_not_fetched_again(place):
    with Workspace(place) as workspace:
        write_table(workspace)
    before = workspace.path("data/table").stat().st_ino
    with Workspace(place):
        pass
    assert workspace.path("data/table").stat().st_ino == before


def test_what_was_removed_here_is_removed_there_and_on_other_machines(place, tmp_path, monkeypatch):
    with Workspace(place) as workspace:
        write_table(workspace)
    machine(monkeypatch, tmp_path, "other")
    with Workspace(place) as workspace:
        workspace.path("data/table").unlink()
    assert "data/table" not in names(place)
    machine(monkeypatch, tmp_path, "homing-cache")
    with Workspace(place) as workspace:
        assert not workspace.path("data/table").exists()


def test_what_the_copy_has_lost_is_fetched_and_not_removed_there(place):
    with Workspace(place) as workspace:
        write_table(workspace)
    workspace.path("data/table").unlink()  # as those do that clean cache folders
    with Workspace(place) as workspace:
        assert workspace.path("data/table").read_text() == "rows"
    shutil.rmtree(workspace.folder)
    with Workspace(place) as workspace:
        assert workspace.path("data/table").read_text() == "rows"


def test_what_somebody_changed_or_removed_there_holds(place):
    with Workspace(place) as workspace:
        write_table(workspace)
        workspace.write_text("homing.yaml", "a: 1")
    write_bytes(f"{place}/homing.yaml", b"a: 2, by hand")
    remove(f"{place}/data/table")
    with Workspace(place) as workspace:
        assert workspace.path("homing.yaml").read_text() == "a: 2, by hand"
        assert not workspace.path("data/table").exists()


def test_what_a_killed_job_could_not_send_is_sent_by_the_next(place):
    with Workspace(place) as workspace:
        write_table(workspace)
    workspace.write_text("data/table", "new rows")  # made, and then the machine was switched off
    workspace.write_text("data/other", "more")
    with Workspace(place):
        assert read_bytes(f"{place}/data/table") == b"new rows"
        assert read_bytes(f"{place}/data/other") == b"more"


def test_once_another_machine_has_gone_on_unsent_work_gives_way(place, tmp_path, monkeypatch):
    with Workspace(place) as workspace:
        write_table(workspace)
    workspace.write_text("data/table", "unsent")
    workspace.write_text("data/stray", "unsent")
    machine(monkeypatch, tmp_path, "other")
    with Workspace(place) as other:
        write_table(other, "theirs")
    machine(monkeypatch, tmp_path, "homing-cache")
    with Workspace(place) as workspace:
        assert workspace.path("data/table").read_text() == "theirs"
        assert not workspace.path("data/stray").exists()


def test_after_a_failure_its_reasons_are_there_too(place):
    def fail() -> None:
        with Workspace(place) as workspace:
            workspace.write_text("rejections", "all of them")
            raise UsageError("nothing to do")

    with pytest.raises(UsageError, match="nothing to do"):
        fail()
    assert read_bytes(f"{place}/rejections") == b"all of them"


def test_caches_and_unfinished_work_stay_here(place):
    with Workspace(place) as workspace:
        workspace.write_text("cache/embeddings/a", "x")
        workspace.write_text("model/.weights.tmp", "x")
        workspace.write_text("model/weights", "x")
    found = names(place)
    assert "model/weights" in found
    assert not any("embeddings" in name or ".tmp" in name for name in found)


def test_a_place_with_other_things_is_left_alone(place):
    write_bytes(f"{place}/thesis.txt", b"ten years of work")
    with pytest.raises(UsageError, match="s3://bucket/tuned is not empty"), Workspace(place):
        pass
    assert names(place) == ["thesis.txt"]


def test_verbs_that_need_a_workspace_say_how_to_make_one(place):
    with (
        pytest.raises(UsageError, match="homing run SOURCES --out s3://bucket/tuned"),
        Workspace(place, create=False),
    ):
        pass
    assert names(place) == []


HOLD = """
import sys, time
from homing.workspace import Workspace
with Workspace(sys.argv[1]) as workspace:
    print("holding", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(place):
    """Another process at work in the workspace."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, place], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "holding\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_job_of_this_machine_is_told_and_nothing_changes(place, holder):
    with pytest.raises(WorkspaceBusyError, match=f"process {holder.pid}.*s3://bucket/tuned"):
        Workspace(place).__enter__()


def test_a_job_of_another_machine_is_told_who_is_at_work(place, holder, tmp_path, monkeypatch):
    machine(monkeypatch, tmp_path, "other")
    with pytest.raises(WorkspaceBusyError, match=rf"process {holder.pid} on \S+, since"):
        Workspace(place).__enter__()


def test_a_killed_job_does_not_stand_in_the_way_of_the_next_one_here(place, holder):
    holder.kill()
    holder.wait()
    with Workspace(place):
        pass


def test_looking_at_a_workspace_disturbs_no_job(place, holder, tmp_path, monkeypatch):
    with copied(place, write=False) as folder:  # on the machine of the job
        assert Workspace.is_at(folder)
    machine(monkeypatch, tmp_path, "other")
    with copied(place, write=False) as folder:
        assert Workspace.is_at(folder)


def test_the_same_bucket_of_another_server_has_a_copy_of_its_own(place, monkeypatch):
    here = Workspace(place).folder
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert Workspace(place).folder != here


def test_a_folder_that_fsspec_reaches_is_a_workspace_too(tmp_path, monkeypatch):
    machine(monkeypatch, tmp_path, "one")
    place = f"local://{tmp_path}/shelf/tuned"
    with Workspace(place) as workspace:
        workspace.stage("write", lambda: write_table(workspace), **REST)
    assert (tmp_path / "shelf/tuned/data/table").read_text() == "rows"
    machine(monkeypatch, tmp_path, "other")
    with Workspace(place) as workspace:
        assert not workspace.stage("write", lambda: write_table(workspace), **REST)[1]
