"""Curation in shards gives the bytes of curation in memory, whatever the corpus and the cuts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homing.dataset import (
    load_passages,
    load_questions,
    load_rejections,
    save_documents,
    save_passages,
    save_questions,
    tables,
)
from homing.engine.base import Engine
from homing.engine.local import LocalEngine
from homing.engine.opening import open_engine
from homing.errors import NothingToDoError
from homing.pipeline import open_job, write
from homing.pipeline.curation import curate_stage
from homing.pipeline.curation_counts import CurationCounts
from homing.pipeline.fates import LABELS, REJECTED
from homing.pipeline.filtering import Filters, reason_for_whole
from homing.pipeline.job import DATASET, DOCUMENTS, PASSAGES, QUESTIONS
from homing.pipeline.sharded_curation import curate_in_shards
from homing.pipeline.sharding import PARTS
from homing.pipeline.whole_curation import curate_and_count, save_curation
from homing.types import Document, Passage, Question, content_id
from homing.workspace import Workspace
from written_handbook import handbook_questions, write_workspace

OUTPUTS = (*DATASET, REJECTED, LABELS)
MODEL = "openai:gpt-5-mini"
OFFLINE = Filters(round_trip=0, near_duplicate=1.0)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Two workers, which are started once."""
    with LocalEngine(2) as engine:
        yield engine


@pytest.fixture(autouse=True)
def _small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables have row groups of a dozen rows, so that small ones fall into many shards."""
    monkeypatch.setattr(tables, "ROWS_IN_GROUP", 12)


def workspace_of(folder: Path, passages: Sequence[Passage], questions: Sequence[Question]) -> Path:
    """Return a workspace as `homing write` leaves it."""
    with Workspace(folder) as workspace:
        save_documents([Document("d", "d.md", "", "")], workspace.path(DOCUMENTS))
        save_passages(passages, workspace.path(PASSAGES))
        save_questions(questions, workspace.path(QUESTIONS))
    return folder


def in_shards(
    engine: Engine, folder: Path, filters: Filters = OFFLINE, **settings: Any
) -> CurationCounts:
    with open_job(folder, create=False, overrides=settings) as job:
        job = replace(job, engine=engine)
        return curate_in_shards(job, filters, job.workspace.hashes(PASSAGES, QUESTIONS))


def in_memory(
    folder: Path, target: Path, filters: Filters = OFFLINE, **settings: Any
) -> CurationCounts:
    with open_job(folder, create=False, overrides=settings) as job:
        wanted = job.settings.curate
        found = curate_and_count(
            load_passages(job.path(PASSAGES)),
            load_questions(job.path(QUESTIONS)),
            documents=[],
            test_questions=None,
            train_questions=None,
            fractions=(wanted.dev_fraction, wanted.test_fraction),
            filters=filters,
            judge=None,
            encoder=lambda: pytest.fail("no filter here embeds anything"),
            seed=wanted.seed,
        )
    return save_curation(found, target)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of all that curation writes."""
    paths = [p for name in OUTPUTS for p in [folder / name, *(folder / name).rglob("*")]]
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths if p.is_file()}


def assert_same(
    engine: Engine, folder: Path, target: Path, filters: Filters = OFFLINE, **settings: Any
) -> CurationCounts:
    """Curate a workspace both ways, and return the counts."""
    counts = in_shards(engine, folder, filters, **settings)
    expected = in_memory(folder, target, filters, **settings)
    assert json.dumps(counts.funnel) == json.dumps(expected.funnel)
    assert counts == expected
    found = files_of(folder)
    assert found == files_of(target)
    assert len(found) == 7
    return counts


def encyclopedia(shared_data: Path, n_articles: int, language: str = "en") -> list[Passage]:
    """Return paragraphs of real articles, each article a document."""
    path = shared_data / "xquad" / f"xquad.{language}.json"
    passages = []
    for article in json.loads(path.read_text("utf-8"))["data"][:n_articles]:
        start, name = 0, article["title"]
        for number, paragraph in enumerate(article["paragraphs"]):
            text = paragraph["context"]
            key = content_id(name, str(number), text)
            span = (content_id(name), start, start + len(text))
            heading = ("Encyclopedia", name, f"Part {number}")
            passages.append(Passage(key, *span, text, heading, number + 1 if number else None))
            start += len(text) + 1
    return passages


def revised(passages: Sequence[Passage]) -> Iterator[Passage]:
    """Yield copies in another document: every second with a word changed, every third cut short."""
    for number, passage in enumerate(passages):
        words = passage.text.split(" ")
        if number % 2:
            words[len(words) // 2] = "formerly"
        if number % 3 == 0:
            words = words[: 2 * len(words) // 3]
        text = " ".join(words)
        yield replace(passage, id=content_id("revised", passage.id), document_id="rev", text=text)


def crowded(shared_data: Path) -> tuple[list[Passage], list[Question]]:
    """Return a corpus with all that curation decides: copies, neighbours, poor questions."""
    passages = encyclopedia(shared_data, 24)
    passages += revised(passages[::4])
    passages += [
        replace(p, id=content_id("overlap", p.id), start=p.start + 9, text=p.text[9:])
        for p in passages[:40:8]
    ]
    questions = write(passages).questions
    lost = Question("who signed the treaty of Gondor?", "nowhere", "how_to", "extractive")
    again = [replace(q, passage_id=questions[-i].passage_id) for i, q in enumerate(questions[::9])]
    asked = [Question(q.text.upper() + "?", q.passage_id, q.kind, q.writer) for q in questions[::7]]
    poor = [
        Question(text, passages[3].id, "", "extractive") for text in ("???", "Ok", "the pass age")
    ]
    return passages, [*questions, lost, *again, lost, *asked, *poor, *questions[:5]]


def test_a_handbook_in_many_shards_gives_the_same_bytes(engine: Engine, tmp_path: Path) -> None:
    folder = write_workspace(tmp_path / "tuned")
    counts = assert_same(engine, folder, tmp_path / "whole")
    assert counts.n_rejected == 3
    assert len(load_rejections(folder / REJECTED)) == 3


def test_copies_neighbours_and_repetitions_are_decided_as_in_memory(
    engine: Engine, tmp_path: Path, shared_data: Path
) -> None:
    passages, questions = crowded(shared_data)
    folder = workspace_of(tmp_path / "tuned", passages, questions)
    counts = assert_same(engine, folder, tmp_path / "whole")
    assert counts.audit.clean
    assert counts.n_groups < counts.n_passages
    dropped = {r.reason for r in load_rejections(folder / REJECTED)}
    assert {"duplicate_question", "ambiguous_question", "passage_missing", "no_letters"} <= dropped
    assert min(counts.n_queries.values()) > 20


def test_questions_in_any_order_find_their_passages(
    engine: Engine, tmp_path: Path, shared_data: Path
) -> None:
    passages, questions = crowded(shared_data)
    by_text = sorted(questions, key=lambda question: content_id(question.text))
    folder = workspace_of(tmp_path / "tuned", passages[::-1], by_text)
    assert_same(engine, folder, tmp_path / "whole", **{"curate.seed": 3})


def test_a_language_models_copied_questions_are_dropped(
    engine: Engine, tmp_path: Path, shared_data: Path
) -> None:
    passages = encyclopedia(shared_data, 8)
    copied = [Question(p.text[:80], p.id, "", MODEL, "p1") for p in passages]
    own = [
        Question(f"what is {p.heading_path[1]} {i} about?", p.id, "", MODEL)
        for i, p in enumerate(passages)
    ]
    folder = workspace_of(tmp_path / "tuned", passages, [*write(passages).questions, *copied, *own])
    counts = assert_same(engine, folder, tmp_path / "whole")
    assert [step["filter"] for step in counts.funnel["steps"]] == ["form", "copied", "split"]
    assert counts.funnel["steps"][1]["reasons"]["copied_text"] > 20
    kept_all = Filters(round_trip=0, copied=1.0, near_duplicate=1.0)
    assert len(assert_same(engine, folder, tmp_path / "all", kept_all).funnel["steps"]) == 2


def test_a_large_corpus_is_not_searched_for_easy_questions(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homing.pipeline.filtering.CHEAP_SCORES", 10)
    counts = assert_same(engine, write_workspace(tmp_path / "tuned"), tmp_path / "whole")
    assert counts.funnel["too_easy"] == []


@pytest.mark.parametrize(
    ("settings", "split"), [({}, "train"), ({"curate.test_fraction": 0.0}, "test")]
)
def test_without_questions_for_a_split_the_remedy_is_named(
    engine: Engine, tmp_path: Path, settings: Mapping[str, float], split: str
) -> None:
    questions = [] if split == "train" else handbook_questions()
    folder = write_workspace(tmp_path / "tuned", questions)
    with pytest.raises(NothingToDoError, match=f"No question is left for the split '{split}'"):
        in_shards(engine, folder, **settings)
    assert not (folder / "corpus").exists()


def test_the_stage_takes_shards_and_leaves_no_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_workspace(tmp_path / "tuned")
    monkeypatch.setattr(
        "homing.pipeline.curation.curate_and_count", lambda *_, **__: pytest.fail("in memory")
    )
    with open_job(folder, create=False) as job:
        summary = curate_stage(job).summary
    assert summary["n_queries"]["train"] > 0
    assert summary["sound"]
    assert not (folder / PARTS / "curate").exists()
    assert not list(folder.rglob("*.tmp"))


def test_a_killed_job_goes_on_with_what_was_finished(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_data: Path
) -> None:
    passages = encyclopedia(shared_data, 6)
    folder = workspace_of(tmp_path / "tuned", passages, write(passages).questions)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("homing.pipeline.sharded_curation.save_fates", killed)
        with pytest.raises(KeyboardInterrupt):
            in_shards(engine, folder)
    before = {p: p.stat().st_mtime_ns for p in (folder / PARTS / "curate").rglob("done.json")}
    assert {p.parts[-3] for p in before} == {"sketch", "check"}
    assert_same(engine, folder, tmp_path / "whole")
    assert {p: p.stat().st_mtime_ns for p in before} == before


@pytest.mark.parametrize(
    ("filters", "writer", "more", "reason"),
    [
        (Filters(), "extractive", {}, ""),
        (Filters(), "extractive", {"has_judge": True}, ""),
        (Filters(), "extractive", {"has_given": True}, "matching given questions"),
        (Filters(round_trip=5), "extractive", {}, "the round trip"),
        (Filters(), MODEL, {}, "the round trip"),
        (Filters(round_trip=0), MODEL, {}, "comparing a language model's questions"),
        (OFFLINE, MODEL, {}, ""),
        (OFFLINE, MODEL, {"has_judge": True}, "the judge"),
    ],
)
def test_only_what_needs_all_texts_at_once_is_done_in_memory(
    filters: Filters, writer: str, more: Mapping[str, bool], reason: str
) -> None:
    given = {"has_judge": False, "has_given": False, **more}
    assert reason_for_whole(filters, {writer}, **given) == reason


def test_what_needs_a_large_corpus_in_memory_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("homing.pipeline.curation.MANY_PASSAGES", 3)
    folder = write_workspace(tmp_path / "tuned")
    with open_job(folder, create=False, overrides={"curate.round_trip": 5}) as job:
        curate_stage(job)
    said = capsys.readouterr().err
    assert "12 passages have to be in memory at once for the round trip, 4 GB or more" in said


@pytest.mark.ray
def test_ray_gives_the_same_bytes(tmp_path: Path, shared_data: Path) -> None:
    pytest.importorskip("ray")
    passages, questions = crowded(shared_data)
    folder = workspace_of(tmp_path / "tuned", passages, questions)
    with open_engine("ray", n_workers=2) as cluster:
        assert_same(cluster, folder, tmp_path / "whole")
