"""A dataset on disk says what the one in memory says."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from homing.dataset import Dataset, load_dataset
from homing.dataset.judged import judged
from homing.dataset.mteb import save_dataset
from homing.dataset.row_files import TableFolder
from homing.dataset.stored import open_stored, store_dataset
from homing.types import Passage, Qrel, Query

N = 9000
"""More than the rows of one batch."""


def handbook(n: int = N) -> Dataset:
    corpus = {
        f"p{i}": Passage(f"p{i}", "handbook", i, i + 9, f"Rule {i} holds.", ("Rules", f"{i}"))
        for i in range(n)
    }
    queries = {
        f"q{i}": Query(f"q{i}", f"what of {i}", "cloze", "extractive", masked=((0, 4),))
        for i in range(n)
    }
    qrels = {
        "train": [Qrel(f"q{i}", f"p{i}", 1 + i % 2) for i in range(n - 9)],
        "dev": [Qrel(f"q{i}", f"p{i}", i % 2) for i in range(n - 9, n)],
    }
    return Dataset(corpus, queries, qrels, {f"p{i}": f"g{i // 2}" for i in range(n - 100)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("handbook")
    save_dataset(handbook(), path)
    return path


@pytest.fixture(scope="module")
def stored(folder: Path) -> Dataset:
    assert store_dataset(folder, folder / "tables")
    return open_stored(TableFolder(folder / "tables"))


def test_every_part_is_what_it_is_in_memory(folder: Path, stored: Dataset) -> None:
    loaded = load_dataset(folder)
    assert list(stored.corpus.items()) == list(loaded.corpus.items())
    assert list(stored.corpus.values()) == list(loaded.corpus.values())
    assert list(stored.queries) == list(loaded.queries)
    assert dict(stored.queries) == loaded.queries
    assert dict(stored.groups) == loaded.groups
    assert len(stored.groups) == len(loaded.groups) == N - 100
    assert stored.splits == loaded.splits
    assert {name: list(qrels) for name, qrels in stored.qrels.items()} == loaded.qrels
    assert stored.split("dev") == loaded.split("dev")


def test_what_is_not_there_is_not_found(stored: Dataset) -> None:
    assert "p8999" in stored.corpus
    assert "p9000" not in stored.corpus
    with pytest.raises(KeyError):
        stored.corpus["p9000"]
    assert stored.group_of("p8999") == "p8999"  # it is in no group
    with pytest.raises(KeyError):
        stored.groups["p8999"]


def test_another_process_gets_it_by_path(stored: Dataset) -> None:
    pickled = pickle.dumps(stored)
    assert len(pickled) < 2000
    again = pickle.loads(pickled)
    assert again.corpus["p17"] == stored.corpus["p17"]
    assert again.qrels["train"][-1] == stored.qrels["train"][-1]


def test_the_numbers_of_a_split_are_those_of_the_dataset_in_memory(
    folder: Path, stored: Dataset
) -> None:
    for split in stored.splits:
        one, other = judged(load_dataset(folder), split), judged(stored, split)
        for name in ("questions", "passages", "grades", "groups"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()
        row = int(one.passages[-1])
        assert one.passage(row) == other.passage(row)
        assert one.group_id(row) == other.group_id(row)
        names = [[it.writer_names[code] for code in it.writers] for it in (one, other)]
        assert names[0] == names[1] == ["extractive"] * N


def test_a_part_of_the_corpus_beside_stored_judgements_keeps_its_own_rows(stored: Dataset) -> None:
    corpus = {key: stored.corpus[key] for key in ("p8998", "p8997", "p8996")}
    qrels = [qrel for qrel in stored.qrels["dev"] if qrel.passage_id in corpus]
    found = judged(replace(stored, corpus=corpus, qrels={"dev": qrels}), "dev")
    assert [found.passage_id(int(row)) for row in found.passages] == ["p8997"]


def test_what_is_not_ours_is_left_to_be_loaded(tmp_path: Path) -> None:
    small = handbook(20)
    save_dataset(small, tmp_path)
    (tmp_path / "corpus" / "more.parquet").write_bytes(
        (tmp_path / "corpus" / "corpus.parquet").read_bytes()
    )
    assert not store_dataset(tmp_path, tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def test_judgements_of_what_is_not_there_are_left_to_the_check_that_names_them(
    tmp_path: Path,
) -> None:
    save_dataset(handbook(20), tmp_path)
    (tmp_path / "other").mkdir()
    save_dataset(handbook(30), tmp_path / "other")
    (tmp_path / "other" / "qrels" / "dev.parquet").replace(tmp_path / "qrels" / "dev.parquet")
    assert not store_dataset(tmp_path, tmp_path / "tables")
