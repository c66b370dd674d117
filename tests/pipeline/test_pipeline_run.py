"""The whole job, and each of its stages, on a small handbook with a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

import homing
from homing.curation.roundtrip import find_passages, keep_found_again
from homing.dataset import load_dataset, load_documents, load_passages, load_rejections
from homing.errors import HomingError, NothingToDoError, UsageError
from homing.pipeline import STAGES, open_job, run
from homing.pipeline.curation import load_audit
from homing.workspace import Workspace, hash_file


def stages_that_ran(outcome) -> list[str]:
    return [name for name, result in outcome.stages.items() if result.ran]


def bytes_of(workspace: Path) -> dict[str, str]:
    """Return the hash of every file that must not depend on when and how often a job ran."""
    changing = {"manifests", "cache", "report.html", ".lock", "README.md"}
    return {
        path.relative_to(workspace).as_posix(): hash_file(path)
        for path in workspace.rglob("*")
        if path.is_file() and not changing & {*path.relative_to(workspace).parts}
    }


def test_a_job_leaves_a_model_a_report_and_every_stage_between(finished):
    assert stages_that_ran(finished) == list(STAGES)
    assert "the right passage among the first five" in finished.verdict
    page = finished.report.read_text(encoding="utf-8")
    assert finished.stages["report"].summary["headline"] in page
    assert (finished.model / "modules.json").is_file()
    assert "## Measured" in (finished.model / "README.md").read_text(encoding="utf-8")
    contenders = finished.as_json()["contenders"]
    assert list(contenders) == ["base", "tuned", "bm25", "bm25+base", "bm25+tuned"]
    assert set(load_dataset(finished.workspace).splits) == {"train", "dev", "test"}


def test_the_same_job_elsewhere_gives_the_same_bytes(tmp_path, handbook, settings, finished):
    run(handbook, out=tmp_path / "tuned", settings=settings)
    first, second = bytes_of(finished.workspace), bytes_of(tmp_path / "tuned")
    del first["homing.yaml"], second["homing.yaml"]  # they name the folder of the documents
    assert first == second
    wanted = {"model/model.safetensors", "evaluation/runs.parquet", "qrels/test.parquet"}
    assert wanted <= set(first)


def test_the_same_command_again_has_nothing_to_do_even_where_the_workspace_was_moved(
    copied, finished, capsys
):
    again = run(out=copied)
    assert stages_that_ran(again) == []
    assert again.verdict == finished.verdict
    assert capsys.readouterr().err.count("up to date") == len(STAGES)


def test_another_seed_of_training_redoes_training_and_what_follows(copied, finished):
    reseeded = run(out=copied, settings={"train.seed": 5})
    assert stages_that_ran(reseeded) == ["train", "evaluate", "report"]
    model = "model/model.safetensors"
    assert bytes_of(copied)[model] != bytes_of(finished.workspace)[model]


def test_only_a_changed_file_is_read_again_and_it_is_named(copied, handbook, capsys, tiny_model):
    chapter = handbook / "people" / "leave.md"
    chapter.write_text(chapter.read_text().replace("twenty-eight", "thirty-one"))
    edited = run(handbook, out=copied)
    assert stages_that_ran(edited) == list(STAGES)
    assert "again, changed: people/leave.md" in capsys.readouterr().err
    assert edited.stages["ingest"].summary["n_read"] == 1
    fresh = homing.ingest(handbook, base_model=str(tiny_model), max_tokens=64)
    assert load_passages(copied / "documents" / "passages.parquet") == fresh.passages


def test_a_file_that_is_gone_takes_its_passages_with_it(copied, handbook):
    (handbook / "people" / "leave.md").unlink()
    with open_job(copied, create=False, overrides={"sources": [str(handbook)]}) as job:
        result = STAGES["ingest"](job)
    assert result.summary["n_read"] == 0
    paths = {d.path for d in load_documents(copied / "documents" / "documents.parquet")}
    assert "people/leave.md" not in paths
    assert len(paths) == result.summary["n_files"]


def test_given_questions_are_the_test_and_what_answers_them_is_not_trained_on(
    tmp_path, handbook, asked, have_already, settings
):
    given = {"test_questions": str(asked), "train_questions": str(have_already)}
    outcome = run(
        handbook, out=tmp_path / "tuned", settings={**settings, **given, "train.ablation": True}
    )
    dataset = load_dataset(tmp_path / "tuned")
    assert {dataset.queries[q].writer for q in dataset.split("test")} == {"person"}
    assert len(dataset.split("test")) == len(asked.read_text().splitlines())
    answers = {p for grades in dataset.split("test").values() for p in grades}
    for split in ("train", "dev"):
        assert not answers & {p for grades in dataset.split(split).values() for p in grades}
    assert load_audit(outcome.stages["curate"].summary).clean
    reasons = {r.reason for r in load_rejections(tmp_path / "tuned/rejections/curate.parquet")}
    assert "held_out" in reasons
    assert "tuned-offline" in outcome.as_json()["contenders"]
    page = outcome.report.read_text(encoding="utf-8")
    assert "offline writer&#39;s questions alone" in page or "writer's questions alone" in page
    asked.write_text('{"question": "Where is the moon?", "quote": "The moon is a harsh mistress."}')
    with pytest.raises(NothingToDoError, match=r"None of the 1 question .*asked\.jsonl matches"):
        run(out=tmp_path / "tuned")


def test_a_workspace_among_the_documents_is_not_read_as_one(tmp_path, handbook, settings):
    with open_job(
        handbook / "tuned", create=True, overrides={**settings, "sources": [str(handbook)]}
    ) as job:
        (job.workspace.folder / "report.html").write_text("<p>Our verdict on the handbook.</p>")
        result = STAGES["ingest"](job)
    assert result.summary["n_files"] == len([*handbook.rglob("*.md")])


def test_a_stage_before_its_turn_names_the_one_to_run_first(tmp_path, handbook, settings):
    with Workspace(tmp_path / "tuned"):
        pass
    with open_job(tmp_path / "tuned", create=False, overrides=settings) as job:
        for stage, first in [
            ("ingest", "homing run SOURCES"),
            ("write", "homing ingest SOURCES"),
            ("curate", "homing write"),
            ("train", "homing curate"),
            ("evaluate", "homing train"),
            ("report", "homing ingest SOURCES"),
        ]:
            with pytest.raises(UsageError, match=first):
                STAGES[stage](job)


def test_a_folder_with_nothing_readable_says_why(tmp_path, settings):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "empty.pdf").write_bytes(b"")
    with pytest.raises(NothingToDoError, match=r"empty\.pdf"):
        run(tmp_path / "scans", out=tmp_path / "tuned", settings=settings)


@pytest.mark.parametrize("sources", [[], ["no/such/handbook"]])
def test_without_documents_no_folder_is_made(tmp_path, sources):
    with pytest.raises(UsageError):
        run(*sources, out=tmp_path / "tuned")
    assert not (tmp_path / "tuned").exists()


def test_an_empty_folder_says_so(tmp_path, settings):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NothingToDoError, match="No file"):
        run(tmp_path / "nothing", out=tmp_path / "tuned", settings=settings)


def test_without_a_writer_and_without_questions_there_is_nothing_to_train_on(
    tmp_path, handbook, settings
):
    with pytest.raises(NothingToDoError, match="--train-questions"):
        run(handbook, out=tmp_path / "tuned", settings={**settings, "write.writer": "none"})


def test_with_given_questions_no_writer_is_needed(tmp_path, handbook, have_already, settings):
    overrides = {
        **settings,
        "sources": [str(handbook)],
        "ingest.max_tokens": 400,
        "write.writer": "none",
        "train_questions": str(have_already),
    }
    with open_job(tmp_path / "tuned", create=True, overrides=overrides) as job:
        for name in ("ingest", "write", "curate"):
            STAGES[name](job)
    dataset = load_dataset(tmp_path / "tuned")
    assert {query.writer for query in dataset.queries.values()} == {"person"}
    assert all(dataset.split(name) for name in ("train", "dev", "test"))


def test_without_a_question_for_the_test_a_job_stops_before_it_trains(tmp_path, handbook, settings):
    with pytest.raises(NothingToDoError, match="--test-questions"):
        run(handbook, out=tmp_path / "tuned", settings={**settings, "curate.test_fraction": 0})
    assert not (tmp_path / "tuned" / "model").exists()


def test_the_round_trip_drops_what_bm25_does_not_find(handbook):
    passages = homing.ingest(handbook, max_tokens=64).passages
    first = passages[0]
    found = homing.Question(first.text, first.id, kind="sentence", writer="extractive")
    lost = homing.Question("Is the moon made of cheese?", first.id, kind="odd", writer="extractive")
    kept, rejections = keep_found_again(
        [found, lost], find_passages([found, lost], passages, {}), k=3
    )
    assert kept == [found]
    assert [(r.reason, r.text) for r in rejections] == [("not_found_again", lost.text)]


def test_the_stages_read_as_plain_functions(tmp_path, handbook, tiny_model):
    documents, passages, unread = homing.ingest(handbook, max_tokens=64)
    assert unread == []
    assert all(
        document.text[p.start : p.end] == p.text
        for document in documents
        for p in passages
        if p.document_id == document.id
    )
    questions, _ = homing.write(passages)
    dataset, audit, _ = homing.curate(passages, questions)
    assert audit.clean
    log = homing.train(dataset, out=tmp_path / "model", base_model=str(tiny_model))
    assert log.n_pairs > 8
    evaluation = homing.evaluate(
        dataset,
        {"base": str(tiny_model), "tuned": str(tmp_path / "model"), "bm25": "bm25"},
    )
    assert "first five" in homing.verdict(evaluation)


def test_wrong_public_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="finetune"):
        homing.finetune  # noqa: B018
    assert "run" in dir(homing)
    assert issubclass(homing.HomingError, Exception)
    assert homing.HomingError is HomingError
