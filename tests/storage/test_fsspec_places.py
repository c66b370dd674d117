"""What pyarrow does not know goes through fsspec."""

from __future__ import annotations

import pytest

from homing.storage import (
    exists,
    find_file,
    list_files,
    local_copy,
    open_output,
    read_bytes,
    remove,
    write_bytes,
)


@pytest.fixture(params=["memory", "local"])
def base(request, tmp_path) -> str:
    """A folder at which fsspec is at work."""
    return f"memory://{tmp_path.name}/x" if request.param == "memory" else f"local://{tmp_path}/x"


def test_files_are_written_listed_read_and_removed(base):
    write_bytes(f"{base}/a/one.md", b"one")
    with open_output(f"{base}/two.md") as stream:
        stream.write(b"two, ")
        stream.write(b"at length")
    assert [(f.name, f.size) for f in list_files(base)] == [("a/one.md", 3), ("two.md", 14)]
    assert read_bytes(f"{base}/two.md") == b"two, at length"
    assert find_file(f"{base}/a/one.md").size == 3
    remove(f"{base}/a")
    assert [file.name for file in list_files(base)] == ["two.md"]


def test_a_second_writing_takes_the_place_of_the_first(base):
    write_bytes(f"{base}/a.md", b"first")
    write_bytes(f"{base}/a.md", b"2nd")
    assert read_bytes(f"{base}/a.md") == b"2nd"
    assert [file.name for file in list_files(base)] == ["a.md"]


def test_a_block_that_fails_leaves_nothing(base):
    def fail():
        with open_output(f"{base}/a.md") as stream:
            stream.write(b"half")
            raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        fail()
    assert not exists(f"{base}/a.md")


def test_what_is_not_there_is_not_found(base):
    assert list_files(base) == []
    with pytest.raises(FileNotFoundError):
        read_bytes(f"{base}/a.md")


def test_a_copy_is_made_for_readers_of_paths(base):
    write_bytes(f"{base}/a.md", b"text")
    with local_copy(f"{base}/a.md") as path:
        assert path.read_bytes() == b"text"
