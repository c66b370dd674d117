"""Stages over shards and batches: one result, however it is cut and whoever dies on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import homing
from homing.dataset import (
    iter_passages,
    load_documents,
    load_passages,
    load_questions,
    load_rejections,
    save_passages,
    tables,
)
from homing.dataset.shards import shards_of
from homing.engine.base import EngineError, Outcome
from homing.engine.local import LocalEngine
from homing.errors import NothingToDoError
from homing.ingestion import batches
from homing.pipeline import Job, open_job, sharding, writing
from homing.pipeline.ingestion import ingest_stage
from homing.pipeline.job import PASSAGES, QUESTIONS
from homing.pipeline.sharding import PARTS, Step, run_step
from homing.pipeline.writing import write_stage
from homing.types import Passage
from homing.workspace import Workspace, hash_file
from homing.writing.sharded import count_words

TABLES = (
    "documents/documents.parquet",
    "documents/passages.parquet",
    "rejections/ingest.parquet",
    "questions/questions.parquet",
    "rejections/write.parquet",
)
WORDS = (
    "receipts flights trains hotels leave badges laptops visitors parking training lunches phones "
    "desks keys lockers sailors boats ropes lessons harbours"
).split()


def hashes(folder: Path) -> dict[str, str]:
    return {name: hash_file(folder / name) for name in TABLES if (folder / name).is_file()}


def passages(n: int) -> Iterator[Passage]:
    """Yield passages that share words and headings, each with something of its own."""
    for i in range(n):
        a, b, c = WORDS[i % 20], WORDS[(i // 3 + 7) % 20], WORDS[(i // 20 + 3) % 20]
        text = (
            f"Rule {i} says that {a} and {b} are paid by the company once {c} have been approved. "
            f"Submit the {a} for {c} to the {b} team eight weeks before number {i * 7} is due. "
            f"Whoever returns {b} with {a} late keeps {c} with a full refund for {i % 9 + 2} years."
        )
        path = ("Handbook", f"Rules about {a} and {WORDS[i % 7]}")
        yield Passage(f"p{i:06d}", f"d{i // 20}", 0, len(text), text, path, i % 30)


def workspace_of(folder: Path, n: int, rows_in_group: int, monkeypatch: Any) -> Path:
    """Make a workspace with so many passages in small row groups."""
    with Workspace(folder) as workspace, monkeypatch.context() as patch:
        patch.setattr(tables, "ROWS_IN_GROUP", rows_in_group)
        save_passages(passages(n), workspace.path(PASSAGES))
    return folder


class Sabotage:
    """An engine that does something to an item before the function gets it."""

    name = "local"

    def __init__(self, engine: Any, harm: Callable[[Any], None]) -> None:
        self.engine = engine
        self.harm = harm

    def map(
        self, function: Callable[[Any], Any], items: Iterable[Any], **more: Any
    ) -> Iterator[Outcome[Any, Any]]:
        return self.engine.map(partial(harmed, function=function, harm=self.harm), items, **more)


def harmed(item: Any, function: Callable[[Any], Any], harm: Callable[[Any], None]) -> Any:
    harm(item[1])
    return function(item)


def die_of_poison(item: Any) -> None:
    """Die as native code does, of one passage."""
    if any("Rule 77 " in row["text"] for row in item.rows(["text"])):
        os.kill(os.getpid(), signal.SIGSEGV)


def die_once(item: Any, marker: str) -> None:
    """Die as if somebody had killed the process, the first time that the marker is not there."""
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def harmed_job(folder: Path, harm: Callable[[Any], None], **more: Any) -> Iterator[Job]:
    with open_job(folder, create=True, **more) as job:
        yield replace(job, engine=Sabotage(job.engine, harm))  # type: ignore[arg-type]


def written(folder: Path) -> dict[str, str]:
    with open_job(folder, create=False) as job:
        write_stage(job)
    return hashes(folder)


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What one pass over 300 passages writes."""
    folder = workspace_of(tmp_path / "whole", 300, 8192, monkeypatch)
    assert len(shards_of(folder / PASSAGES)) == 1
    made = homing.write(load_passages(folder / PASSAGES))
    found = written(folder)
    assert load_questions(folder / QUESTIONS) == made.questions
    return {name: found[name] for name in TABLES[3:]}


def test_questions_are_the_same_in_one_shard_and_in_many(tmp_path, monkeypatch, whole) -> None:
    folder = workspace_of(tmp_path / "tuned", 300, 16, monkeypatch)
    assert len(shards_of(folder / PASSAGES)) == 19
    found = written(folder)
    assert {name: found[name] for name in whole} == whole
    assert not (folder / PARTS / "write").exists()


def test_a_killed_worker_changes_nothing(tmp_path, monkeypatch, whole, capsys) -> None:
    folder = workspace_of(tmp_path / "tuned", 300, 16, monkeypatch)
    with harmed_job(folder, partial(die_once, marker=str(tmp_path / "marker"))) as job:
        write_stage(job)
    assert {name: hash_file(folder / name) for name in whole} == whole
    assert "died; they are tried again" in capsys.readouterr().err


@pytest.mark.slow
def test_a_passage_of_which_workers_die_is_a_rejection_and_costs_itself_alone(
    tmp_path, monkeypatch
) -> None:
    folder = workspace_of(tmp_path / "tuned", 100, 4, monkeypatch)
    with harmed_job(folder, die_of_poison) as job:
        result = write_stage(job)
    (rejection,) = load_rejections(folder / "rejections" / "write.parquet")
    assert result.summary["n_rejected"] == 1
    assert (rejection.item_id, rejection.reason) == ("p000077", "writer_failed")
    assert "SIGSEGV" in rejection.detail
    everything = homing.write(list(passages(100))).questions
    expected = [question for question in everything if question.passage_id != "p000077"]
    assert load_questions(folder / QUESTIONS) == expected
    assert len(expected) > 100


def test_a_step_that_cannot_reject_a_row_says_which_rows_workers_die_of(
    tmp_path, monkeypatch
) -> None:
    folder = workspace_of(tmp_path / "tuned", 300, 16, monkeypatch)
    with (
        harmed_job(folder, die_of_poison) as job,
        pytest.raises(EngineError, match=r"write/words: workers die of rows 65 to 80 of .*SIGSEGV"),
    ):
        count(job)


def count(job: Job, depends: dict[str, Any] | None = None) -> list[sharding.Part]:
    """Count the words of the workspace's passages."""
    return run_step(
        job,
        Step("write/words", count_words, ["writing"], depends or {}),
        shards_of(job.path(PASSAGES)),
        digest=hash_file(job.path(PASSAGES)),
        title="Counting words",
    )


def test_parts_that_are_done_are_not_made_again_unless_what_decides_them_has_changed(
    tmp_path, monkeypatch
) -> None:
    folder = workspace_of(tmp_path / "tuned", 300, 16, monkeypatch)
    with open_job(folder, create=False) as job:
        first = count(job)
    with harmed_job(folder, die_of_poison) as job:  # nobody who dies is asked
        assert count(job) == first
    with open_job(folder, create=False) as job:
        other = count(job, {"seed": 1})
        assert not {part.folder for part in other} & {part.folder for part in first}
        assert [part.summary for part in other] == [part.summary for part in first]


@pytest.mark.parametrize("harm", ["no done.json", "half a done.json", "a table cut short"])
def test_half_a_part_is_made_again(tmp_path, monkeypatch, harm: str) -> None:
    folder = workspace_of(tmp_path / "tuned", 300, 16, monkeypatch)
    with open_job(folder, create=False) as job:
        first = count(job)
        spoilt = Path(first[3].folder)
        if harm == "no done.json":
            (spoilt.parent / "done.json").unlink()
        elif harm == "half a done.json":
            (spoilt.parent / "done.json").write_text('{"attempt": "')
        else:
            (spoilt / "words.parquet").write_bytes(b"PAR1")
        again = count(job)
    assert again[3].folder != first[3].folder
    assert [part for n, part in enumerate(again) if n != 3] == first[:3] + first[4:]
    assert Path(again[3].table("words")).read_bytes()[4:]


def test_what_a_worker_raises_ends_the_job_and_is_told(tmp_path, monkeypatch) -> None:
    folder = workspace_of(tmp_path / "tuned", 300, 16, monkeypatch)
    with (
        harmed_job(folder, run_out_of_space) as job,
        pytest.raises(EngineError, match=r"No space left on device.*run the same command again"),
    ):
        count(job)


def run_out_of_space(item: Any) -> None:
    if item.number == 3:
        raise OSError(28, "No space left on device")


@pytest.mark.slow
def test_a_killed_write_goes_on_with_what_was_done_to_the_same_bytes(tmp_path, monkeypatch) -> None:
    folder = workspace_of(tmp_path / "tuned", 12_000, 500, monkeypatch)
    parts = folder / PARTS / "write" / "questions"
    command = [sys.executable, "-m", "homing", "write", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while len(list(parts.glob("*/done.json"))) < 3:
        assert process.poll() is None, process.stderr.read()  # type: ignore[union-attr]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(1.5)  # workers end a second after their driver
    kept = [json.loads(path.read_text())["attempt"] for path in parts.glob("*/done.json")]
    done = {path: path.stat().st_mtime_ns for name in kept for path in parts.glob(f"*/{name}/*")}
    assert 3 <= len(kept) < 12
    assert len(done) == 2 * len(kept)
    monkeypatch.setattr(writing, "forget_parts", lambda job, stage: None)
    found = written(folder)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert len(list(parts.glob("*/*/questions.parquet"))) == 12
    plain = workspace_of(tmp_path / "plain", 12_000, 8192, monkeypatch)
    assert found[QUESTIONS] == written(plain)[QUESTIONS]


# Reading files.


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Twelve small files, and two that cannot be read."""
    folder = tmp_path / "rules"
    folder.mkdir()
    for n, passage in enumerate(passages(120)):
        with (folder / f"rule-{n // 10:02}.md").open("a") as file:
            file.write(f"# {passage.heading_path[-1]}\n\n{passage.text}\n\n")
    (folder / "rule-05b.pdf").touch()
    (folder / "rule-07b.bin").write_bytes(bytes(range(256)) * 16)
    return folder


@pytest.fixture
def reading(rules: Path, tiny_model: Path) -> dict[str, object]:
    """The settings under which they are read."""
    return {
        "sources": [str(rules)],
        "train.base_model": str(tiny_model),
        "ingest.max_tokens": 64,
    }


def read(folder: Path, reading: dict[str, object]) -> dict[str, str]:
    with open_job(folder, create=True, overrides=reading) as job:
        ingest_stage(job)
    return hashes(folder)


def test_a_folder_is_read_to_the_same_bytes_in_many_batches_and_in_few(
    tmp_path, monkeypatch, rules, reading, tiny_model
) -> None:
    many = read(tmp_path / "many", reading)
    monkeypatch.setattr(batches, "BATCHES", 3)
    few = read(tmp_path / "few", reading)
    monkeypatch.setattr(batches, "BYTES_IN_BATCH", 5000)
    assert read(tmp_path / "some", reading) == few == many
    made = homing.ingest(rules, base_model=str(tiny_model), max_tokens=64)
    assert load_documents(tmp_path / "few" / "documents/documents.parquet") == made.documents
    assert load_passages(tmp_path / "few" / PASSAGES) == made.passages
    assert load_rejections(tmp_path / "few" / "rejections/ingest.parquet") == made.rejections
    assert len(made.documents) == 12
    assert [r.item_id for r in made.rejections] == ["rule-05b.pdf", "rule-07b.bin"]
    assert not (tmp_path / "few" / PARTS / "ingest").exists()


def die_of_file(item: Any, name: str) -> None:
    if any(file.name == name for file in item.files):
        os.kill(os.getpid(), signal.SIGSEGV)


def hang_at_file(item: Any, name: str) -> None:
    if any(file.name == name for file in item.files):
        time.sleep(600)


@pytest.mark.parametrize(
    ("harm", "reason", "detail"),
    [
        (die_of_file, "reader_crashed", "the worker process was ended by SIGSEGV"),
        pytest.param(hang_at_file, "timed_out", "took more than 15", marks=pytest.mark.slow),
    ],
)
def test_a_file_of_which_readers_die_costs_itself_alone_and_not_its_batch(
    tmp_path, monkeypatch, reading, harm, reason, detail
) -> None:
    read(tmp_path / "whole", reading)
    monkeypatch.setattr(batches, "BATCHES", 4)
    harm = partial(harm, name="rule-06.md")
    limited = {**reading, "ingest.time_limit_s": 15.0}
    with harmed_job(tmp_path / "tuned", harm, overrides=limited) as job:
        result = ingest_stage(job)
    found = load_rejections(tmp_path / "tuned" / "rejections/ingest.parquet")
    assert [(r.item_id, r.reason) for r in found][1:] == [
        ("rule-06.md", reason),
        ("rule-07b.bin", "not_text"),
    ]
    assert found[1].detail.startswith(f"rule-06.md: {detail}")
    documents = load_documents(tmp_path / "whole" / "documents/documents.parquet")
    lost = next(d.id for d in documents if d.path == "rule-06.md")
    kept = [p for p in iter_passages(tmp_path / "whole" / PASSAGES) if p.document_id != lost]
    assert load_passages(tmp_path / "tuned" / PASSAGES) == kept
    assert result.summary["n_documents"] == 11


def test_a_reader_that_is_killed_once_changes_nothing(tmp_path, monkeypatch, reading) -> None:
    whole = read(tmp_path / "whole", reading)
    monkeypatch.setattr(batches, "BATCHES", 4)
    harm = partial(die_once, marker=str(tmp_path / "marker"))
    with harmed_job(tmp_path / "tuned", harm, overrides=reading) as job:
        ingest_stage(job)
    assert hashes(tmp_path / "tuned") == whole


def test_only_what_has_changed_is_read_and_the_rest_keeps_its_rows(
    tmp_path, monkeypatch, rules, reading
) -> None:
    monkeypatch.setattr(batches, "BATCHES", 4)
    read(tmp_path / "tuned", reading)
    (rules / "rule-00.md").unlink()
    (rules / "rule-03.md").write_text((rules / "rule-03.md").read_text() + "\n\nAnd more.\n")
    (rules / "rule-04.md").write_text("")
    (rules / "rule-11.md").unlink()
    (rules / "aa.md").write_text("# First\n\nThe first rule of all comes before the others.\n")
    (rules / "rule-06b.md").write_text("# Between\n\nA rule between two others is read alone.\n")
    (rules / "zz.md").write_text("# Last\n\nThe last rule of all comes after the others.\n")
    with open_job(tmp_path / "tuned", create=False, overrides=reading) as job:
        result = ingest_stage(job)
        assert ingest_stage(job).ran is False
    assert result.summary["n_read"] == 7  # of which three are rejected
    assert hashes(tmp_path / "tuned") == read(tmp_path / "fresh", reading)
    fresh = json.loads((tmp_path / "fresh/manifests/ingest.json").read_text())["summary"]
    assert {**fresh, "n_read": 7} == dict(result.summary)


def test_unchanged_files_are_not_opened_by_anybody(tmp_path, rules, reading) -> None:
    read(tmp_path / "tuned", reading)
    (rules / "rule-05b.pdf").unlink()
    (rules / "rule-07b.bin").unlink()
    with harmed_job(tmp_path / "tuned", partial(die_of_file, name="rule-00.md")) as job:
        assert ingest_stage(job).summary["n_read"] == 0


def test_where_nothing_can_be_read_the_reasons_are_told_and_nothing_is_kept(
    tmp_path, rules, reading
) -> None:
    for file in rules.glob("*.md"):
        file.unlink()
    with pytest.raises(NothingToDoError, match=r"None of the 2 files .*rule-05b.pdf"):
        read(tmp_path / "tuned", reading)
    assert not (tmp_path / "tuned" / PARTS / "ingest").exists()
    (rules / "rule.md").write_text("# A rule\n\nKeep every receipt until the refund arrives.\n")
    assert len(read(tmp_path / "tuned", reading)) == 3


@pytest.mark.slow
def test_a_killed_ingest_goes_on_with_what_was_read_to_the_same_bytes(
    tmp_path, monkeypatch, rules, reading
) -> None:
    whole = read(tmp_path / "whole", reading)
    folder = tmp_path / "tuned"
    with (
        harmed_job(folder, run_out_of_files, overrides=reading) as job,
        pytest.raises(EngineError, match="No space left"),
    ):
        ingest_stage(job)
    done = list((folder / PARTS / "ingest" / "files").glob("*/done.json"))
    assert 5 < len(done) < 14
    harm = partial(die_of_file, name="rule-00.md")  # is among those that were read
    with harmed_job(folder, harm) as job:
        ingest_stage(job)
    assert hashes(folder) == whole


def run_out_of_files(item: Any) -> None:
    if item.files[0].name == "rule-08.md":
        raise OSError(28, "No space left on device")


def test_two_engines_of_different_size_give_the_same_bytes(tmp_path, reading) -> None:
    with open_job(tmp_path / "one", create=True, overrides=reading) as job, LocalEngine(1) as one:
        alone = replace(job, engine=one)
        ingest_stage(alone)
        write_stage(alone)
    with open_job(tmp_path / "many", create=True, overrides=reading) as job, LocalEngine(3) as many:
        together = replace(job, engine=many)
        ingest_stage(together)
        write_stage(together)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "many")
    assert len(hashes(tmp_path / "one")) == 5
