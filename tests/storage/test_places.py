"""A place is a path or a URI; a password in one goes nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.errors import UsageError
from homing.storage import absolute, file_system, is_remote, join, name_of, shown
from homing.workspace import Workspace


def test_uris_are_remote_and_paths_are_not():
    assert is_remote("s3://bucket/docs")
    assert is_remote("gs://bucket")
    assert not is_remote("docs/handbook")
    assert not is_remote(Path("/docs"))
    assert not is_remote("file:///docs")


def test_places_are_joined_and_named_alike():
    assert join("s3://bucket/docs/", "a", "b.md") == "s3://bucket/docs/a/b.md"
    assert join("/", "a") == "/a"
    assert name_of("s3://bucket/docs/") == "docs"


def test_what_is_made_absolute_means_the_same_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("docs") == str(tmp_path / "docs")
    assert absolute("s3://bucket/docs/") == "s3://bucket/docs/"


SECRET = "s3://AKIA123:hush-hush@bucket/docs"


@pytest.mark.parametrize("use", [absolute, file_system, Workspace])
def test_a_uri_with_a_password_is_refused_without_repeating_it(use):
    with pytest.raises(UsageError, match="password") as error:
        use(SECRET)
    assert "hush" not in str(error.value)
    assert "AKIA" not in str(error.value)


def test_messages_name_places_without_users():
    assert shown(SECRET) == "s3://bucket/docs"
    assert shown("/home/a@b/docs") == "/home/a@b/docs"


def test_an_unknown_scheme_says_so():
    with pytest.raises(UsageError, match="nothing here reads gopher://"):
        file_system("gopher://hole/docs")
