"""A homing.yaml reads back as it was written, and its mistakes are named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from homing.errors import UsageError
from homing.settings import Settings, dump_settings, load_settings, starter_yaml


def write(folder: Path, text: str) -> Path:
    path = folder / "homing.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_starter_file_is_the_defaults(tmp_path):
    assert load_settings(write(tmp_path, starter_yaml())) == Settings() == load_settings()


def test_the_starter_file_explains_every_setting():
    lines = starter_yaml().splitlines()
    settings = [i for i, line in enumerate(lines) if ":" in line and "#" not in line]
    assert len(settings) > 20
    for i in settings:
        assert lines[i - 1].strip().startswith("#"), f"no comment above {lines[i]!r}"


@given(
    sources=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), max_size=3),
    rate=st.floats(1e-9, 1.0, exclude_min=True),
    tokens=st.integers(16, 1000),
)
@example(sources=["a\x85b", "c\u2028d"], rate=0.1, tokens=16)
def test_what_is_written_reads_back_the_same(sources, rate, tokens):
    settings = Settings.model_validate(
        {
            "sources": sources,
            "train": {"learning_rate": rate},
            "ingest": {"max_tokens": tokens},
        }
    )
    assert Settings.model_validate(yaml.safe_load(dump_settings(settings))) == settings


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_one(tmp_path):
    path = write(tmp_path, "sources: [docs]\ntrain:\n  seed: 1\n  epoch: 3\n")
    with pytest.raises(UsageError) as error:
        load_settings(path)
    assert f"{path}, line 4" in str(error.value)
    assert "'train.epoch'" in str(error.value)
    assert "Did you mean 'train.epochs'?" in str(error.value)


def test_a_setting_in_the_wrong_place_is_told_its_section(tmp_path):
    with pytest.raises(UsageError, match=r"'epochs'\. Did you mean 'train\.epochs'"):
        load_settings(write(tmp_path, "epochs: 3\n"))


def test_every_mistake_is_named_not_only_the_first(tmp_path):
    with pytest.raises(UsageError) as error:
        load_settings(write(tmp_path, "train:\n  epochs: many\n  learning_rate: -1\n"))
    assert "line 2: 'train.epochs' cannot be 'many'" in str(error.value)
    assert "line 3: 'train.learning_rate' cannot be -1" in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- docs\n", "must hold settings"),
        ("train: 3\n", "'train' must hold settings"),
        ("train: [\n", "not valid YAML"),
        ("write:\n  writer: poet\n", "'extractive', 'none', or a language model"),
        ("write:\n  base_url: http://me:pw@host/v1\n", "'…': it holds a password"),
        ("curate:\n  judge_base_url: http://me:pw@host/v1\n", "'…': it holds a pass"),
        ("curate:\n  judge: gpt-5-mini\n", "a language model such as 'openai:gpt-5-mini', or null"),
        ("curate:\n  judge_threshold: 11\n", "'curate.judge_threshold' cannot be 11"),
        ("curate:\n  judge_budget: 0\n", "'curate.judge_budget' cannot be 0"),
    ],
)
def test_other_mistakes_are_explained(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        load_settings(write(tmp_path, text))


def test_a_missing_file_names_the_command_that_writes_one(tmp_path):
    with pytest.raises(UsageError, match="homing init"):
        load_settings(tmp_path / "absent.yaml")


def test_a_section_with_every_line_commented_out_means_its_defaults(tmp_path):
    path = write(tmp_path, "train:\n  # epochs: 3\ntest_questions:\n")
    assert load_settings(path) == Settings()


def test_options_win_over_the_file_and_null_unsets(tmp_path):
    path = write(tmp_path, "train:\n  epochs: 3\n  seed: 7\n  max_tokens: 64\n")
    settings = load_settings(path, {"train.epochs": 2, "train.max_tokens": None, "curate.seed": 5})
    assert (settings.train.epochs, settings.train.seed, settings.curate.seed) == (2, 7, 5)
    assert settings.train.max_tokens is None


@pytest.mark.parametrize("name", ["train.epoch", "train.epochs", "tests"])
def test_a_mistake_on_the_command_line_is_not_looked_for_in_the_file(tmp_path, name):
    path = write(tmp_path, "train:\n  seed: 7\n  epochs: 2\n")
    with pytest.raises(UsageError, match=f"^(unknown setting )?'{name}'"):
        load_settings(path, {name: "many"})


def test_a_mistake_in_the_file_has_its_line_beside_one_on_the_command_line(tmp_path):
    path = write(tmp_path, "train:\n  seed: x\n  epochs: 2\n")
    with pytest.raises(UsageError) as error:
        load_settings(path, {"train.epochs": "many"})
    first, second = sorted(str(error.value).splitlines())
    assert first.startswith("'train.epochs' cannot be 'many'")
    assert second.startswith(f"{path}, line 2: 'train.seed' cannot be")


def test_an_unknown_option_is_a_usage_error_too():
    with pytest.raises(UsageError, match=r"Did you mean 'train\.seed'"):
        load_settings(None, {"train.sed": 1})


def test_paths_in_a_file_are_taken_from_its_folder(tmp_path):
    path = write(tmp_path, "sources: [docs, /elsewhere]\ntest_questions: asked.jsonl\n")
    settings = load_settings(path)
    assert settings.sources == (str(tmp_path / "docs"), "/elsewhere")
    assert settings.test_questions == str(tmp_path / "asked.jsonl")


def test_a_general_set_is_a_path_where_there_is_one_and_else_a_name(tmp_path):
    (tmp_path / "facts.json").write_text("{}")
    path = write(tmp_path, "evaluate:\n  general: [facts.json, python-docs, 'nanobeir:NQ']\n")
    found = load_settings(path).evaluate.general
    assert found == (str(tmp_path / "facts.json"), "python-docs", "nanobeir:NQ")


def test_one_source_needs_no_list(tmp_path):
    settings = load_settings(write(tmp_path, "sources: docs\n"))
    assert settings.sources == (str(tmp_path / "docs"),)


def test_an_address_of_documents_stays_as_it_is_and_others_are_refused(tmp_path):
    found = load_settings(write(tmp_path, "sources: ['s3://bucket/docs/', notes]"))
    assert found.sources == ("s3://bucket/docs/", str(tmp_path / "notes"))
    with pytest.raises(UsageError, match=r"write\.ledger: s3://bucket/l has to be a path"):
        load_settings(write(tmp_path, "write: {ledger: 's3://bucket/l'}"))
    with pytest.raises(UsageError, match="password"):
        load_settings(write(tmp_path, "sources: ['s3://key:hush@bucket/docs/']"))
