"""A dataset that is left on disk trains the same model, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from handbook_sentences import HANDBOOK
from homing.dataset import Dataset
from homing.dataset.mteb import save_dataset
from homing.dataset.stored import Stored
from homing.pipeline import embedding
from homing.pipeline.job import Job
from homing.pipeline.stored_dataset import TABLES, open_dataset
from homing.pipeline.training import train_stage
from homing.settings import Settings
from homing.types import Passage, Qrel, Query
from homing.workspace import Workspace

pytest.importorskip("sentence_transformers")


def handbook() -> Dataset:
    """Each passage twice, as near-duplicates, asked by first words and, on dev, by last ones."""
    corpus, queries, groups = {}, {}, {}
    qrels: dict[str, list[Qrel]] = {"train": [], "dev": []}
    for topic, text in HANDBOOK.items():
        for copy in ("", "-copy"):
            corpus[topic + copy] = Passage(topic + copy, "handbook", 0, len(text), text + copy)
            groups[topic + copy] = topic
        for split, asked in (("train", text[:30]), ("dev", text[-30:])):
            queries[topic + split] = Query(topic + split, asked, writer="extractive")
            qrels[split].append(Qrel(topic + split, topic))
    return Dataset(corpus, queries, qrels, groups)


def trained(folder: Path, base: Path) -> bytes:
    """Return the weights that a workspace of the handbook trains to."""
    settings = Settings.model_validate(
        {"train": {"base_model": str(base), "recipe": "full", "device": "cpu", "epochs": 3}}
    )
    with Workspace(folder, create=True) as workspace:
        save_dataset(handbook(), folder)
        job = Job(workspace, settings, engine=None)  # type: ignore[arg-type]  (nobody is asked)
        train_stage(job)
    return (folder / "model" / "model.safetensors").read_bytes()


def test_a_dataset_on_disk_trains_the_same_model(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = trained(tmp_path / "memory", tiny_model)
    assert not (tmp_path / "memory" / TABLES).exists()
    monkeypatch.setattr(embedding, "LARGE", 10)
    assert trained(tmp_path / "disk", tiny_model) == in_memory
    assert len(list((tmp_path / "disk" / TABLES).iterdir())) == 1


def test_tables_of_an_earlier_dataset_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "LARGE", 10)
    with Workspace(tmp_path / "disk", create=True) as workspace:
        save_dataset(handbook(), workspace.folder)
        job = Job(workspace, Settings(), engine=None)  # type: ignore[arg-type]  (nobody is asked)
        first = open_dataset(job, {"corpus": "as it was"})
        second = open_dataset(job, {"corpus": "as it is"})
        assert isinstance(first.corpus, Stored)
        assert list(second.corpus.items()) == list(handbook().corpus.items())
        assert len(list(job.path(TABLES).iterdir())) == 1
