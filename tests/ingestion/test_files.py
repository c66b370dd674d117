"""Folders, files and patterns become a sorted list of files with stable names."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.errors import UsageError
from homing.ingestion.files import find_files


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    for name in ("leave.md", "pay/bonus.md", "pay/salary.txt", ".git/config", "pay/.draft.md"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_a_folder_gives_its_visible_files_by_relative_name(handbook: Path) -> None:
    assert [file.name for file in find_files([handbook])] == [
        "leave.md",
        "pay/bonus.md",
        "pay/salary.txt",
    ]


def test_names_do_not_depend_on_where_the_folder_lies_or_how_it_is_written(
    handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = find_files([handbook])
    monkeypatch.chdir(handbook.parent)
    assert find_files(["handbook"]) == expected
    assert find_files(["./handbook/pay/.."]) == expected


def test_a_file_goes_by_its_own_name(handbook: Path) -> None:
    (file,) = find_files([handbook / "pay" / "bonus.md"])
    assert file.name == "bonus.md"
    assert file.path.read_text() == "pay/bonus.md"


def test_a_pattern_gives_what_it_matches(handbook: Path) -> None:
    names = [file.name for file in find_files([f"{handbook}/**/*.md"])]
    assert names == ["bonus.md", "leave.md"]


def test_a_hidden_file_is_read_when_it_is_named(handbook: Path) -> None:
    assert [f.name for f in find_files([handbook / "pay" / ".draft.md"])] == [".draft.md"]


def test_a_file_reached_twice_is_listed_once(handbook: Path) -> None:
    files = find_files([handbook, handbook / "leave.md", f"{handbook}/*.md"])
    assert [file.name for file in files] == ["leave.md", "pay/bonus.md", "pay/salary.txt"]


def test_equal_names_are_told_apart_by_their_folders_in_any_order(tmp_path: Path) -> None:
    folders = [tmp_path / "berlin" / "docs", tmp_path / "paris" / "docs"]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "readme.md").write_text(folder.parent.name)
    names = {file.name: file.path.read_text() for file in find_files(folders)}
    assert names == {"berlin/docs/readme.md": "berlin", "paris/docs/readme.md": "paris"}
    assert find_files(folders[::-1]) == find_files(folders)


def test_a_name_made_longer_does_not_collide_with_another(tmp_path: Path) -> None:
    for name in ("a/x/readme.md", "b/readme.md", "c/b/readme.md"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    files = find_files([tmp_path / "a" / "x", tmp_path / "b", tmp_path / "c"])
    assert len({file.name for file in files}) == 3


def test_a_missing_source_is_a_usage_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hanbook"):
        find_files([tmp_path / "hanbook"])


def test_a_pattern_without_a_match_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\*\.pdf"):
        find_files([f"{tmp_path}/*.pdf"])


def test_an_empty_folder_gives_no_files(tmp_path: Path) -> None:
    assert find_files([tmp_path]) == []


def test_a_link_that_leads_nowhere_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")
    (tmp_path / "here.md").write_text("here")
    assert [file.name for file in find_files([tmp_path])] == ["here.md"]
