"""Journals: lines that are there at once, whatever becomes of who wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.llm.journal import Journal, read_journals
from homing.storage import list_files, remove


def test_each_line_is_there_before_the_journal_is_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journals", "000001-a")
    journal.add(["key", 1.25, None, "wörds\n"])
    assert list(read_journals(tmp_path / "journals")) == [["key", 1.25, None, "wörds\n"]]
    journal.close()


def test_a_line_that_was_not_finished_is_left_out(tmp_path: Path) -> None:
    with Journal(tmp_path, "000001-a") as journal:
        journal.add(["first"])
        journal.add(["second"])
    path = tmp_path / "000001-a.jsonl"
    path.write_bytes(path.read_bytes()[:-4])
    assert list(read_journals(tmp_path)) == [["first"]]


def test_only_those_of_one_stretch_are_read(tmp_path: Path) -> None:
    for name in ("000001-a", "000001-b", "000002-a"):
        with Journal(tmp_path, name) as journal:
            journal.add([name])
    assert list(read_journals(tmp_path, "000001-")) == [["000001-a"], ["000001-b"]]


def test_a_journal_without_a_line_is_no_file(tmp_path: Path) -> None:
    with Journal(tmp_path / "journals", "none"):
        pass
    assert list(read_journals(tmp_path / "journals")) == []


def test_an_object_store_is_sent_some_seconds_of_lines_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setattr("homing.llm.journal.SEGMENT_S", 0.0)
    folder = "memory://journals-of-a-test/cache/journals"
    try:
        with Journal(folder, "000001-a") as journal:
            for n in range(3):
                journal.add([n])
        assert len(list_files(folder)) == 3
        assert list(read_journals(folder)) == [[0], [1], [2]]
    finally:
        remove(folder)
