"""Files in a bucket of a real S3 server: whole or not at all, readable by ranges, listed."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from homing.storage import (
    exists,
    find_file,
    list_files,
    local_copy,
    modified_at,
    open_input,
    open_output,
    read_bytes,
    remove,
    write_bytes,
)

LARGE = os.urandom(1 << 20) * 12
"""More than one part of an upload."""


def test_what_was_written_is_read(s3):
    place = s3.uri("data/a/b.txt")
    write_bytes(place, b"hello")
    assert read_bytes(place) == b"hello"
    assert exists(place)
    assert exists(s3.uri("data/a"))
    assert not exists(s3.uri("data/b"))


def test_a_large_file_arrives_as_it_was_sent(s3):
    place = s3.uri("data/large")
    with open_output(place) as stream:
        stream.write(LARGE)
    assert find_file(place).size == len(LARGE)
    assert read_bytes(place) == LARGE


def test_a_range_is_read_alone(s3):
    place = s3.uri("data/large")
    write_bytes(place, LARGE)
    with open_input(place) as file:
        file.seek(5_000_000)
        assert file.read(100) == LARGE[5_000_000:5_000_100]


def test_a_table_is_written_and_one_of_its_row_groups_read(s3):
    place = s3.uri("data/table.parquet")
    with open_output(place) as stream:
        pq.write_table(pa.table({"n": list(range(1000))}), stream, row_group_size=100)
    with open_input(place) as source, pq.ParquetFile(source) as file:
        assert file.read_row_group(7).column("n").to_pylist() == list(range(700, 800))


def test_a_block_that_fails_leaves_what_was_there_before(s3):
    place = s3.uri("data/table")
    write_bytes(place, b"before")

    def fail():
        with open_output(place) as stream:
            stream.write(LARGE)
            raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        fail()
    assert read_bytes(place) == b"before"
    assert [file.name for file in list_files(s3.uri("data"))] == ["table"]


def test_a_new_file_takes_the_place_of_an_old_one(s3):
    place = s3.uri("data/a")
    write_bytes(place, b"old")
    write_bytes(place, b"new")
    assert read_bytes(place) == b"new"


def test_a_file_that_is_not_there_is_not_found(s3):
    place = s3.uri("data/none")
    with pytest.raises(FileNotFoundError):
        read_bytes(place)
    assert find_file(place) is None
    assert modified_at(place) is None


def test_a_folder_is_listed_to_the_bottom_with_sizes_and_times(s3):
    for name in ("docs/b.md", "docs/a/x.md", "other.md"):
        write_bytes(s3.uri(f"data/{name}"), name.encode())
    found = list_files(s3.uri("data/docs/"))
    assert [(file.name, file.size) for file in found] == [("a/x.md", 11), ("b.md", 9)]
    assert all(file.modified > 1.7e9 for file in found)
    assert list_files(s3.uri("data/nothing")) == []


def test_a_compressed_file_is_passed_on_as_it_is(s3, tmp_path):
    place, packed = s3.uri("data/table.csv.gz"), gzip.compress(b"a,b")
    write_bytes(place, packed)
    assert read_bytes(place) == packed
    with open_output(place) as stream:
        stream.write(packed)
    with local_copy(place) as path:
        assert path.read_bytes() == packed


def test_files_and_folders_are_removed_and_nothing_else(s3):
    for name in ("docs/b.md", "docs/a/x.md", "docs2/c.md"):
        write_bytes(s3.uri(f"data/{name}"), b"x")
    remove(s3.uri("data/docs/a"))
    assert [file.name for file in list_files(s3.uri("data"))] == ["docs/b.md", "docs2/c.md"]
    remove(s3.uri("data/docs/b.md"))
    remove(s3.uri("data/docs/b.md"))
    assert [file.name for file in list_files(s3.uri("data"))] == ["docs2/c.md"]


def test_a_copy_has_the_name_of_the_file_and_is_gone_afterwards(s3):
    write_bytes(s3.uri("data/docs/report.pdf"), b"%PDF")
    with local_copy(s3.uri("data/docs/report.pdf")) as path:
        assert path.name == "report.pdf"
        assert path.read_bytes() == b"%PDF"
    assert not path.exists()
    assert not path.parent.exists()


def test_a_local_file_is_its_own_copy_and_stays(tmp_path):
    (tmp_path / "a.md").write_text("here")
    for place in (tmp_path / "a.md", f"file://{tmp_path}/a.md"):
        with local_copy(place) as path:
            assert path == tmp_path / "a.md"
    assert path.read_text() == "here"


DIE_WITH_A_COPY = """
import os, sys
from homing.storage import local_copy
with local_copy(sys.argv[1]) as path:
    print(path, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_the_copy_of_a_killed_process_is_swept_by_the_next(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    place = s3.uri("data/a.md")
    write_bytes(place, b"text")

    def run(code: str) -> Path:
        done = subprocess.run([sys.executable, "-c", code, place], capture_output=True, text=True)
        return Path(done.stdout.strip())

    left = run(DIE_WITH_A_COPY)
    assert left.exists()
    run(DIE_WITH_A_COPY.replace("os.kill(os.getpid(), 9)", ""))
    assert not left.exists()
