"""A job whose documents and results lie in a bucket of a real S3 server."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from homing.dataset import load_passages, load_rejections
from homing.evaluation.files import load_evaluation
from homing.llm.ledger import Ledger
from homing.llm.testing import TestServer
from homing.pipeline import STAGES, Outcome, index, look_at_questions, open_job, run
from homing.pipeline import remote_ledger as ledgers
from homing.pipeline.copies import copy_of
from homing.pipeline.remote_ledger import RemoteLedger
from homing.storage import list_files, local_copy, read_bytes, write_bytes
from homing.workspace import Workspace, hash_file

SETTINGS = {"ingest.max_tokens": 64, "train.base_model": None}
LENIENT = {"curate.copied": 1.0, "curate.near_duplicate": 1.0, "curate.round_trip": 0}
TABLES = ("documents", "questions", "corpus", "queries", "qrels", "rejections")
PREPARING = ("ingest", "write", "curate")


@pytest.fixture
def bucket(s3, handbook) -> str:
    """The handbook in a bucket, and the place of a workspace beside it."""
    for path in handbook.rglob("*.md"):
        name = path.relative_to(handbook).as_posix()
        write_bytes(s3.uri(f"bucket/docs/{name}"), path.read_bytes())
    return "s3://bucket"


def prepare(source: object, out: object, settings: dict[str, object]) -> list[bool]:
    """Run the first stages, and return which of them had to run."""
    told = {**settings, "sources": [str(source)]}
    with open_job(out, create=True, overrides=told) as job:
        return [STAGES[name](job).ran for name in PREPARING]


def tables(place: str) -> dict[str, str]:
    """Return name -> SHA-256 of the tables of a workspace."""
    found = {}
    for file in list_files(place):
        if file.name.startswith(TABLES):
            with local_copy(f"{place}/{file.name}") as path:
                found[file.name] = hash_file(path)
    return found


def measures_of(outcome: Outcome) -> dict[str, dict[str, float]]:
    """Return contender -> its measures."""
    contenders = load_evaluation(outcome.evaluation).contenders
    return {name: dict(result.measures) for name, result in contenders.items()}


def elsewhere(monkeypatch, tmp_path, name: str = "elsewhere") -> None:
    """Go on as on another machine."""
    monkeypatch.setenv("HOMING_CACHE", str(tmp_path / name))


def test_a_bucket_gives_the_bytes_that_a_folder_gives(bucket, handbook, tmp_path, settings):
    assert prepare(f"{bucket}/docs/", f"{bucket}/tuned", settings) == [True, True, True]
    prepare(handbook, tmp_path / "tuned", settings)
    remote = tables(f"{bucket}/tuned")
    assert remote == tables(str(tmp_path / "tuned"))
    assert {name.partition("/")[0] for name in remote} == set(TABLES)


@pytest.mark.slow
def test_another_machine_does_nothing_twice(bucket, tmp_path, monkeypatch, settings):
    prepare(f"{bucket}/docs/", f"{bucket}/tuned", settings)
    elsewhere(monkeypatch, tmp_path)
    assert prepare(f"{bucket}/docs/", f"{bucket}/tuned", settings) == [False, False, False]


@pytest.mark.slow
def test_a_changed_document_is_read_anew_and_a_poor_one_rejected(bucket, settings):
    out = f"{bucket}/tuned"
    prepare(f"{bucket}/docs/", out, settings)
    write_bytes(f"{bucket}/docs/parrots.md", b"# Parrots\n\nParrots may sail with us for a fee.")
    write_bytes(f"{bucket}/docs/photo.jpg", b"\xff\xd8\xff\xe0 no text")
    assert prepare(f"{bucket}/docs/", out, settings) == [True, True, True]
    with copy_of(out, write=False) as folder:
        passages = load_passages(Path(folder, "documents/passages.parquet"))
        texts = [passage.text for passage in passages]
        (rejection,) = load_rejections(Path(folder, "rejections/ingest.parquet"))
    assert any("Parrots may sail" in text for text in texts)
    assert rejection.item_id == "photo.jpg"


@pytest.mark.slow
def test_finished_parts_of_stages_lie_in_the_bucket_and_are_gone_after(bucket, settings):
    with open_job(f"{bucket}/tuned", create=True, overrides={
        **settings, "sources": [f"{bucket}/docs/"],
    }) as job:  # fmt: skip
        assert job.shared == f"{bucket}/tuned"
        for name in PREPARING:
            STAGES[name](job)
    names = [file.name for file in list_files(f"{bucket}/tuned/cache")]
    assert names == ["last-job"]


def test_what_a_stage_has_just_made_is_shared_when_it_is_asked_for(bucket, settings):
    told = {**settings, "sources": [f"{bucket}/docs/"]}
    with open_job(f"{bucket}/tuned", create=True, overrides=told) as job:
        job.workspace.write_text("documents/half.txt", "half of a stage")
        assert read_bytes(job.share("documents/half.txt")) == b"half of a stage"


@pytest.mark.slow
def test_verbs_that_look_take_a_uri(bucket, settings, tmp_path):
    out = f"{bucket}/tuned"
    prepare(f"{bucket}/docs/", out, settings)
    assert look_at_questions(out, sample=3).questions
    indexed = index(out, f"parquet:{tmp_path}/vectors", model=str(settings["train.base_model"]))
    assert indexed.filled.n_passages > 0


RUN = """
import sys
from homing.pipeline import STAGES, open_job
told = {"sources": [sys.argv[1]], "ingest.max_tokens": 64, "train.base_model": sys.argv[3]}
with open_job(sys.argv[2], create=True, overrides=told) as job:
    STAGES["ingest"](job)
    print("ingested", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
def test_a_job_goes_on_elsewhere_after_its_driver_was_killed(
    bucket, tmp_path, monkeypatch, settings
):
    out = f"{bucket}/tuned"
    arguments = [sys.executable, "-c", RUN, f"{bucket}/docs/", out, settings["train.base_model"]]
    driver = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}, text=True
    )
    assert driver.stdout.readline() == "ingested\n"
    driver.kill()
    driver.communicate()
    elsewhere(monkeypatch, tmp_path)
    claim = next(file for file in list_files(f"{out}/.lock"))
    monkeypatch.setattr("homing.workspace.lease.STALE_S", 1.0)
    time.sleep(2.5)
    assert claim.size > 0
    assert prepare(f"{bucket}/docs/", out, settings) == [False, True, True]


def paid(ledger: Path, *keys: str) -> None:
    from homing.llm.provider import ChatAnswer

    answer = ChatAnswer("Why?", "stop", 5, 2, 0.1)
    with Ledger(ledger) as kept:
        for key in keys:
            kept.record(
                key, answer, provider="p", purpose="write", item_id="x", usable=True, price_usd=1.0
            )


def test_paid_calls_reach_the_bucket_within_seconds(bucket, tmp_path, monkeypatch, settings):
    monkeypatch.setattr(ledgers, "SEND_S", 0.1)
    out = f"{bucket}/tuned"
    told = {**settings, "sources": [f"{bucket}/docs/"]}
    with open_job(out, create=True, overrides=told) as job:
        paid(job.path("ledger.sqlite"), "a", "b")
        deadline = time.monotonic() + 20
        while not list_files(f"{out}/ledger-parts") and time.monotonic() < deadline:
            time.sleep(0.05)
        # What another machine would find, were this one lost now.
        rescued = RemoteLedger(out, tmp_path / "rescued.sqlite", tmp_path / "scratch")
        rescued.fetch()
        with Ledger(tmp_path / "rescued.sqlite") as ledger:
            assert ledger.spent().n_calls == 2
    assert list_files(f"{out}/ledger-parts") == []
    elsewhere(monkeypatch, tmp_path)
    with open_job(out, create=False) as job, Ledger(job.path("ledger.sqlite")) as ledger:
        assert ledger.spent().price_usd == 2.0


def test_paid_calls_that_could_not_be_sent_are_sent_by_the_next_job_here(
    bucket, tmp_path, monkeypatch, settings
):
    out = f"{bucket}/tuned"
    told = {**settings, "sources": [f"{bucket}/docs/"]}
    with open_job(out, create=True, overrides=told) as job:
        ledger = job.path("ledger.sqlite")
    paid(ledger, "a")  # and the machine was switched off
    elsewhere(monkeypatch, tmp_path)
    with open_job(out, create=False) as job:
        paid(job.path("ledger.sqlite"), "b")
    elsewhere(monkeypatch, tmp_path, "homing-cache")
    with open_job(out, create=False):
        pass
    shutil.rmtree(tmp_path / "elsewhere")
    elsewhere(monkeypatch, tmp_path)
    with open_job(out, create=False) as job, Ledger(job.path("ledger.sqlite")) as kept:
        assert [kept.find(key) is not None for key in "ab"] == [True, True]


def test_a_part_holds_no_key_and_is_small(bucket, tmp_path):
    paid(tmp_path / "ledger.sqlite", "a")
    RemoteLedger("s3://bucket/x", tmp_path / "ledger.sqlite", tmp_path / "scratch").send()
    (part,) = list_files("s3://bucket/x/ledger-parts")
    assert part.size < 2000
    packed = read_bytes(f"s3://bucket/x/ledger-parts/{part.name}")
    assert gzip.decompress(packed).startswith(b"SQLite format 3")


@pytest.mark.slow
def test_from_documents_to_report_in_a_bucket(bucket, tmp_path, monkeypatch, settings):
    out = f"{bucket}/tuned/"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody-123")
    with TestServer() as server:
        writer = {"write.writer": "openai:test", "write.base_url": server.url}
        told = {**settings, **LENIENT, **writer}
        outcome = run(f"{bucket}/docs/", out=out, settings=told)
        n_paid = server.counts.answered
        assert outcome.place == "s3://bucket/tuned"
        assert outcome.as_json()["report"] == "s3://bucket/tuned/report.html"
        assert outcome.report.read_bytes() == read_bytes(f"{out}report.html")
        elsewhere(monkeypatch, tmp_path)
        again = run(f"{bucket}/docs/", out=out, settings=told)
        assert not any(result.ran for result in again.stages.values())
        with open_job(out, create=False) as job:
            job.path("manifests/write.json").unlink()
        run(f"{bucket}/docs/", out=out, settings=told)
        assert server.counts.answered == n_paid > 0
    assert Workspace.is_at(out)


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_cluster_leaves_in_a_bucket_what_a_laptop_leaves_in_a_folder(
    bucket, handbook, tmp_path, settings, monkeypatch
):
    settings = {**settings, **LENIENT}
    on_ray = {**settings, "engine.name": "ray", "engine.workers": 2}
    remote = run(f"{bucket}/docs/", out=f"{bucket}/tuned", settings=on_ray)
    here = run(str(handbook), out=tmp_path / "tuned", settings=settings)
    assert tables(f"{bucket}/tuned") == tables(str(tmp_path / "tuned"))
    assert read_bytes(f"{bucket}/tuned/report.html") == remote.report.read_bytes()
    for name, measures in measures_of(here).items():
        assert measures_of(remote)[name] == pytest.approx(measures, abs=1e-5), name
    elsewhere(monkeypatch, tmp_path)
    again = run(f"{bucket}/docs/", out=f"{bucket}/tuned", settings=on_ray)
    assert not any(result.ran for result in again.stages.values())
