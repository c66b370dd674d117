"""Sketches that are made in shards give the groups of those that are made in one go."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.curation.duplicates import find_groups, group_rows
from homing.curation.passage_rows import passages_at, read_passage_rows
from homing.curation.sketch_files import gather_sketches, sketch_shard
from homing.dataset import save_passages, tables
from homing.dataset.shards import shards_of
from homing.errors import HomingError
from homing.types import Passage, content_id

WORDS = " ".join(HANDBOOK.values()).split()


def passage(text: str, number: int) -> Passage:
    return Passage(content_id(text, str(number)), "handbook", number, number + 1, text, ("H",))


def corpus(n: int, seed: int) -> list[Passage]:
    """Return texts of which many repeat another: word for word, or but for a word or three."""
    draw = random.Random(seed)
    texts: list[str] = []
    for _ in range(n):
        words = draw.choices(WORDS, k=draw.choice([3, 20, 60, 90]))
        if texts and draw.random() < 0.6:
            words = draw.choice(texts).split()
            for _ in range(draw.choice([0, 1, 1, 3])):
                words[draw.randrange(len(words))] = draw.choice(WORDS)
        texts.append(" ".join(words))
    return [passage(text, number) for number, text in enumerate(texts)]


@pytest.mark.parametrize(("n", "rows"), [(0, 5), (1, 5), (40, 1), (300, 7), (300, 1000)])
def test_groups_are_the_same_however_the_table_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, rows: int
) -> None:
    monkeypatch.setattr(tables, "ROWS_IN_GROUP", rows)
    passages = corpus(n, seed=rows)
    place = tmp_path / "passages.parquet"
    save_passages(passages, place)
    shards = shards_of(place)
    folders = [str(tmp_path / str(shard.number)) for shard in shards]
    for shard, folder in zip(shards, folders, strict=True):
        sketch_shard(shard, folder)
    known = read_passage_rows(place)
    sketches = gather_sketches(folders, tmp_path / "scratch")
    groups = group_rows(sketches, known.spans.order)
    found = {p.id: passages[row].id for p, row in zip(passages, groups.tolist(), strict=True)}
    assert found == find_groups(passages)
    if n == 300:
        assert 100 < len(set(found.values())) < 250


def test_passages_are_fetched_by_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROWS_IN_GROUP", 7)
    passages = corpus(50, seed=1)
    place = tmp_path / "passages.parquet"
    save_passages(passages, place)
    known = read_passage_rows(place)
    assert [known.spans.name(row) for row in known.spans.order] == sorted(p.id for p in passages)
    found = passages_at(place, np.array([49, 3, 3, 50, 12, 71]))
    assert found == {row: passages[row] for row in (3, 12, 49)}


def test_an_id_that_stands_for_two_passages_is_named(tmp_path: Path) -> None:
    place = tmp_path / "passages.parquet"
    save_passages([passage("Rent is due.", 1), passage("Rent is due.", 1)], place)
    with pytest.raises(HomingError, match=r"stands for two passages.*homing ingest"):
        read_passage_rows(place)
