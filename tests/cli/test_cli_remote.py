"""Verbs on a workspace in a bucket, as they are typed."""

from __future__ import annotations

import pytest

from homing.storage import list_files, read_bytes, write_bytes
from homing.workspace import Workspace

LEAVE = b"""# Leave

## Parental leave

Parental leave lasts eighteen weeks, and the sailing school pays your wage for all of them.

## Sick leave

Tell the harbour master before nine in the morning when you are ill, and send a note on day three.
"""


@pytest.fixture
def out(s3) -> str:
    """The place of a workspace beside some documents."""
    write_bytes(s3.uri("bucket/docs/leave.md"), LEAVE)
    return "s3://bucket/tuned"


@pytest.fixture
def options(tiny_model) -> tuple[str, ...]:
    return ("--base-model", str(tiny_model), "--passage-tokens", "64")


@pytest.mark.slow
def test_documents_are_ingested_and_written_about_in_the_bucket(homing, out, options):
    done = homing("ingest", "s3://bucket/docs/", "--out", out, *options, "--json")
    assert done.code == 0, done.err
    assert done.json["n_files"] == 1
    assert b"s3://bucket/docs/" in read_bytes(f"{out}/homing.yaml")
    written = homing("write", out, "--json")
    assert written.code == 0, written.err
    looked = homing("questions", out, "--sample", 2)
    assert looked.code == 0
    assert "leave" in looked.out.lower()
    assert homing("write", out, "--json").json["up_to_date"]


def test_a_workspace_that_is_not_there_is_named_as_it_was_typed(homing, out):
    for verb in ("write", "curate", "report", "train", "push"):
        more = ("hub:me/model",) if verb == "push" else ()
        done = homing(verb, f"{out}/none", *more)
        assert done.code == 2, verb
        assert "s3://bucket/tuned/none is not a workspace" in done.err
    assert list_files(out) == []


def test_a_bucket_that_is_not_there_ends_without_a_traceback(homing, s3, tmp_path, options):
    (tmp_path / "a.md").write_bytes(LEAVE)
    done = homing("ingest", tmp_path / "a.md", "--out", "s3://nobody-has-this/tuned", *options)
    assert done.code == 1
    assert "there is no such bucket" in done.err
    assert "Traceback" not in done.err


def test_sources_that_are_not_there_leave_nothing_behind(homing, out, options):
    done = homing("ingest", "s3://bucket/nothing/", "--out", out, *options)
    assert done.code == 2
    assert "s3://bucket/nothing/: no such file or folder" in done.err
    assert list_files(out) == []


def test_a_workspace_in_use_ends_with_its_code(homing, out, options, tmp_path, monkeypatch):
    monkeypatch.setattr("homing.workspace.lease.PAUSE_S", 0.2)
    with Workspace(out):
        monkeypatch.setenv("HOMING_CACHE", str(tmp_path / "other"))
        done = homing("ingest", "s3://bucket/docs/", "--out", out, *options)
    assert done.code == 6
    assert "is working in s3://bucket/tuned" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("ingest", "s3://bucket/docs/", "--out", "OUT", "--config", "s3://bucket/homing.yaml"),
        ("run", "s3://bucket/docs/", "--out", "OUT", "--ledger", "s3://bucket/ledger.sqlite"),
        ("run", "s3://bucket/docs/", "--out", "OUT", "--test-questions", "s3://bucket/q.jsonl"),
        ("train", "OUT", "--out", "s3://bucket/model"),
    ],
)
def test_what_cannot_lie_elsewhere_says_so(homing, out, arguments):
    done = homing(*(out if argument == "OUT" else argument for argument in arguments))
    assert done.code == 2
    assert "s3://bucket/" in done.err
    assert "has to be a path of this machine" in done.err


def test_a_password_in_an_address_is_refused_and_not_repeated(homing, out):
    done = homing("ingest", "s3://key:hush-hush@bucket/docs/", "--out", out)
    assert done.code == 2
    assert "password" in done.err
    assert "hush" not in done.err
