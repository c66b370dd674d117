"""A full or a read-only disk is said in words that name the place and the remedy."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from homing.errors import HomingError
from homing.workspace import Workspace, disk_error, hash_files

ONE_MB = b"x" * (1 << 20)


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root and the right to mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_stops_the_stage_and_the_next_run_continues(small_disk):
    with Workspace(small_disk / "tuned") as workspace:

        def too_large():
            with workspace.replace_folder("model") as fresh:
                (fresh / "weights").write_bytes(ONE_MB)
            return {}

        def small_enough():
            with workspace.replace_folder("model") as fresh:
                (fresh / "weights").write_bytes(b"x")
            return {}

        rest = {"inputs": {}, "settings": {}, "code": "", "outputs": ["model"]}
        with pytest.raises(HomingError, match=r"No space left .*run the same command again"):
            workspace.stage("train", too_large, **rest)
        assert not workspace.path("model").exists()
        assert workspace.stage("train", small_enough, **rest)[1]


def test_a_library_that_hides_the_full_disk_behind_its_own_error_is_understood(small_disk):
    with Workspace(small_disk / "tuned") as workspace:

        def fail_as_safetensors_does():
            try:
                workspace.path("weights").write_bytes(ONE_MB)
            except OSError:
                raise RuntimeError("Error while serializing: I/O error") from None

        with pytest.raises(HomingError, match="No space left"):
            workspace.stage(
                "train", fail_as_safetensors_does, inputs={}, settings={}, code="", outputs=[]
            )


def test_a_read_only_disk_names_the_folder(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with (
        pytest.raises(HomingError, match=r"Cannot use .*tuned: read-only.*another folder"),
        Workspace(small_disk / "tuned"),
    ):
        pass


def test_the_message_names_the_file_that_could_not_be_written():
    error = disk_error(OSError(errno.ENOSPC, "No space left on device", "/data/corpus"), "/data")
    assert "/data/corpus" in str(error)


def test_other_troubles_are_not_taken_for_a_full_disk():
    assert disk_error(FileNotFoundError(errno.ENOENT, "no such file"), "/data") is None


def test_the_hash_of_files_depends_on_names_and_bytes_but_not_on_their_order(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    a, b = tmp_path / "a", tmp_path / "b"
    assert hash_files([a, b]) == hash_files([b, a])
    assert hash_files([a]) != hash_files([b])
