"""Files, folders and patterns of a bucket stand for what they would stand for on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.errors import UsageError
from homing.ingestion.files import SourceFile, check_sources_exist, find_files
from homing.ingestion.raw import UnreadableError
from homing.ingestion.reading import read_document
from homing.storage import remove, write_bytes

NAMES = (
    "leave.md", "pay/bonus.md", "pay/salary.md", "pay/2025/table.html", "pay/.draft.md",
    ".hidden/secret.md", "travel/hotels.md", "travel/visa[1].md",
)  # fmt: skip


@pytest.fixture
def both(s3, tmp_path) -> tuple[Path, str]:
    """The same files in a folder and in a bucket."""
    folder, remote = tmp_path / "docs", s3.uri("data/docs")
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}")
        write_bytes(f"{remote}/{name}", f"# {name}".encode())
    return folder, remote


@pytest.mark.parametrize(
    "source",
    [
        "", "/", "/pay", "/leave.md", "/*.md", "/**/*.md", "/*", "/p*", "/pay/*", "/**",
        "/*/*.md", "/[pt]*/[!b]*.md", "/pay/.draft.md", "/**/.draft.md", "/pay/???us.md",
        "/travel/visa[1].md",
    ],
)  # fmt: skip
def test_a_source_stands_for_the_same_names_as_on_disk(both, source):
    folder, remote = both
    expected = [file.name for file in find_files([f"{folder}{source}"])]
    found = find_files([f"{remote}{source}"])
    assert [file.name for file in found] == expected
    assert [str(file.place).rpartition("/")[2] for file in found] == [
        Path(name).name for name in expected
    ]


def test_local_and_remote_files_of_one_name_differ_by_their_folders(both):
    folder, remote = both
    names = [file.name for file in find_files([folder / "leave.md", f"{remote}/leave.md"])]
    assert len(set(names)) == 2
    assert all(name.endswith("docs/leave.md") for name in names)


@pytest.mark.parametrize("source", ["/none", "/*.pdf", "/pay/none.md"])
def test_what_is_not_there_is_said(both, source):
    for check in (find_files, check_sources_exist):
        with pytest.raises(UsageError, match="no such file or folder"):
            check([f"{both[1]}{source}"])


def test_a_source_that_is_there_passes_the_check(both):
    check_sources_exist([both[0], both[1], f"{both[1]}/*.md", f"{both[1]}/leave.md"])


def test_results_of_a_job_among_the_documents_are_left_out(both):
    _, remote = both
    for name in ("manifests/workspace.json", "report.html", "homing.yaml"):
        write_bytes(f"{remote}/tuned/{name}", b"{}")
    assert not [file.name for file in find_files([remote]) if file.name.startswith("tuned/")]


def test_a_remote_file_is_known_by_size_and_time_and_a_local_one_by_its_bytes(both):
    folder, remote = both
    (file,) = find_files([f"{remote}/leave.md"])
    assert file.size() == len("# leave.md")
    assert file.fingerprint().startswith("10 bytes of 20")
    write_bytes(f"{remote}/leave.md", b"# leave.md, again")
    (changed,) = find_files([f"{remote}/leave.md"])
    assert changed.fingerprint() != file.fingerprint()
    (local,) = find_files([folder / "leave.md"])
    assert len(local.fingerprint()) == 64


def test_a_remote_file_is_read_as_a_local_one(both):
    folder, remote = both
    here = read_document(SourceFile(folder / "leave.md", "leave.md"))
    there = read_document(SourceFile(f"{remote}/leave.md", "leave.md"))
    assert there == here


def test_a_remote_file_that_is_too_large_is_not_even_fetched(both):
    (file,) = find_files([f"{both[1]}/leave.md"])
    remove(str(file.place))  # fetching it would fail
    with pytest.raises(UnreadableError, match=r"leave\.md has .* MB; the limit is"):
        read_document(file, max_bytes=5)
