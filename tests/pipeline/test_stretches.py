"""Stretches of passages, and what stands beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.dataset import save_documents, save_passages, tables
from homing.pipeline.stretches import StoredPassages, languages_of, stretches_of
from homing.types import Document, Passage

PASSAGES = [Passage(f"p{i}", f"d{i // 10}", 0, 3, f"Passage {i}.") for i in range(25)]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tables, "ROWS_IN_GROUP", 6)
    save_passages(PASSAGES, tmp_path / "passages.parquet")
    return tmp_path / "passages.parquet"


@pytest.mark.parametrize("n_rows", [1, 4, 6, 7, 25, 100])
def test_each_passage_is_in_one_stretch_with_those_beside_it(table: Path, n_rows: int) -> None:
    found: list[str] = []
    for stretch in stretches_of(table, n_rows):
        passages, own = stretch.read()
        found += own
        beside = [p.id for p in PASSAGES[max(0, stretch.start - 1) : stretch.stop + 1]]
        assert [p.id for p in passages] == beside
        assert passages == [p for p in PASSAGES if p.id in beside]
    assert found == [p.id for p in PASSAGES]


def test_an_empty_table_has_no_stretches(tmp_path: Path) -> None:
    save_passages([], tmp_path / "passages.parquet")
    assert stretches_of(tmp_path / "passages.parquet", 10) == []
    assert list(StoredPassages(tmp_path / "passages.parquet")) == []


def test_stored_passages_are_read_anew_by_each(table: Path) -> None:
    stored = StoredPassages(table)
    assert len(stored) == 25
    assert list(stored) == list(stored) == PASSAGES


def test_languages_are_those_of_the_documents_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "documents.parquet"
    documents = [Document(f"d{i}", f"{i}.md", "", "Text.", language=c)
                 for i, c in enumerate(("en", "", "de"))]  # fmt: skip
    save_documents(documents, path)
    assert languages_of(path) == {"d0": "en", "d1": "", "d2": "de"}
    assert languages_of(path, {"d2", "d9"}) == {"d2": "de"}
