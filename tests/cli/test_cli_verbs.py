"""The small verbs, and what the large ones refuse before any work."""

from __future__ import annotations

import json
import os

import pytest

from homing import __version__
from homing.cli.doctor import masked
from homing.cli.overriding import overrides
from homing.errors import UsageError
from homing.settings import Settings, load_settings

LLAMAINDEX = {
    "queries": {"q1": "How many days of leave are there?", "q2": "Who pays for the train?"},
    "corpus": {"p1": "Everyone has thirty days of leave.", "p2": "The company pays for trains."},
    "relevant_docs": {"q1": ["p1"], "q2": ["p2"]},
}


@pytest.fixture
def handbook_questions(tmp_path):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(LLAMAINDEX))
    return path


def test_version(homing):
    assert homing("version").out.strip() == __version__
    assert homing("version", "--json").json == {"version": __version__}


def test_init_writes_a_file_that_is_the_defaults(homing, tmp_path):
    done = homing("init", tmp_path / "homing.yaml")
    assert done.code == 0
    assert load_settings(tmp_path / "homing.yaml") == Settings()


def test_init_does_not_write_over_a_file(homing, tmp_path):
    (tmp_path / "homing.yaml").write_text("train:\n  epochs: 3\n")
    assert homing("init", tmp_path).code == 2
    assert (tmp_path / "homing.yaml").read_text() == "train:\n  epochs: 3\n"
    assert homing("init", tmp_path, "--force").code == 0


def test_convert_says_what_it_wrote(homing, handbook_questions, tmp_path):
    done = homing(
        "dataset", "convert", handbook_questions, tmp_path / "beir", "--to", "beir", "--json"
    )
    assert done.code == 0
    assert done.json["n_passages"] == 2
    assert done.json["n_queries"] == 2
    assert (tmp_path / "beir" / "corpus.jsonl").is_file()


def test_convert_refuses_an_unknown_layout(homing, handbook_questions, tmp_path):
    done = homing("dataset", "convert", handbook_questions, tmp_path / "out", "--to", "csv")
    assert done.code == 2


def test_doctor_shows_no_key(homing, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-abcdefghijklmnop")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    done = homing("doctor", "--json")
    assert done.code == 0
    assert "abcdefghijkl" not in done.out
    assert done.json["keys"]["OPENAI_API_KEY"] == "set (…op)"
    assert done.json["keys"]["ANTHROPIC_API_KEY"] == "not set"
    assert done.json["machine"]["cores"] == len(os.sched_getaffinity(0))


def test_doctor_for_people_has_a_line_for_each_finding(homing):
    text = homing("doctor").out
    for word in ("homing", "python", "cores", "memory", "device", "base model", "HF_TOKEN"):
        assert word in text


def test_a_short_key_shows_none_of_its_characters():
    assert masked("hunter2") == "set"


@pytest.mark.parametrize("verb", ["write", "curate", "report"])
def test_stages_of_no_workspace_say_how_to_make_one(homing, tmp_path, verb):
    done = homing(verb, tmp_path)
    assert done.code == 2
    assert "homing run SOURCES --out" in done.err
    assert list(tmp_path.iterdir()) == []


def test_run_without_out_shows_how(homing):
    done = homing("run", "handbook/")
    assert done.code == 2
    assert "--out tuned/" in done.err


def test_run_does_not_touch_a_folder_with_other_things(homing, tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    done = homing("run", tmp_path / "thesis.txt", "--out", tmp_path)
    assert done.code == 2
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_run_names_a_mistyped_setting(homing, tmp_path):
    done = homing("run", "--out", tmp_path / "tuned", "--set", "train.epoch=2")
    assert done.code == 2
    assert "train.epochs" in done.err
    assert not (tmp_path / "tuned").exists()


def test_training_on_a_dataset_needs_a_place_for_the_model(homing, handbook_questions):
    done = homing("train", handbook_questions)
    assert done.code == 2
    assert f"homing train {handbook_questions} --out MODEL" in done.err


def test_evaluating_a_dataset_needs_contenders(homing, handbook_questions):
    done = homing("evaluate", handbook_questions)
    assert done.code == 2
    assert "--contender bm25=bm25" in done.err


def test_set_reads_its_value_as_yaml_and_wins_over_flags():
    given = overrides(["train.epochs=2", "write.writer=none"], train__epochs=5, train__seed=None)
    assert given == {"train.epochs": 2, "write.writer": "none"}


def test_null_of_set_is_told_from_a_flag_that_was_not_given():
    given = overrides(["write.max_passages=null"], write__prompt=None)
    assert given == {"write.max_passages": None}


def test_one_seed_sets_every_seed():
    settings = load_settings(None, overrides(seed=7))
    seeds = {settings.write.seed, settings.curate.seed, settings.train.seed, settings.evaluate.seed}
    assert seeds == {7}


def test_set_without_a_value_is_refused():
    with pytest.raises(UsageError, match="NAME=VALUE"):
        overrides(["train.epochs"])


def test_files_that_cannot_be_read_are_named_with_the_reason(homing, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Leave\n\nParents may take sixteen weeks of paid leave.\n")
    for number in range(4):
        (docs / f"empty{number}.md").touch()
    done = homing("ingest", docs, "--out", tmp_path / "tuned")
    assert done.code == 0
    assert "ingest: empty0.md is empty (0 bytes). Fetch it again." in done.err
    assert "empty3.md" not in done.err
    assert "ingest: And 1 more." in done.err
