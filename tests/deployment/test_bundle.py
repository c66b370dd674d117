"""Bundles: passages with their vectors and the fusion, in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.deployment import bundle as bundles
from homing.deployment.bundle import Fusion, load_bundle, make_bundle, read_facts, update_fusion
from homing.errors import UsageError
from homing.types import FloatArray, Passage

PASSAGES = [
    Passage(topic, f"document {n % 3}", 0, len(text), text, ("Handbook", topic.title()), n or None)
    for n, (topic, text) in enumerate(HANDBOOK.items())
]
PATHS = {"document 0": "staff/one.md", "document 1": "staff/two.md"}
FUSION = Fusion("rrf", 0.3, "reciprocal ranks, 0.3 for tuned, chosen on 40 dev questions")


class Letters:
    """An encoder by the counts of letters, with a key of its own for passages."""

    key, passage_key, dimensions = "whole", "tower", 26

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        counts = [[t.lower().count(chr(97 + n)) for n in range(26)] for t in texts]
        table = np.array(counts, dtype=np.float32).reshape(-1, 26)
        return table / np.linalg.norm(table, axis=1, keepdims=True)

    encode_passages = encode_queries


def make(folder: Path, passages: Sequence[Passage] = PASSAGES) -> bundles.BundleFacts:
    return make_bundle(
        folder, iter(passages), Letters(), model="letters", paths=PATHS, fusion=FUSION
    )


@pytest.mark.parametrize("rows", [5, 4096])
def test_what_was_bundled_comes_back(tmp_path: Path, monkeypatch: Any, rows: int):
    monkeypatch.setattr(bundles, "ROWS_IN_GROUP", rows)
    facts = make(tmp_path / "bundle")
    found = load_bundle(tmp_path / "bundle")
    assert found.facts == facts == read_facts(tmp_path / "bundle")
    assert (facts.passage_key, facts.dimensions, facts.n_passages) == ("tower", 26, 12)
    assert facts.fusion == FUSION
    inputs = [f"Handbook > {p.id.title()}\n{p.text}" for p in PASSAGES]
    assert found.inputs() == inputs
    assert np.array_equal(found.vectors, Letters().encode_passages(inputs))
    assert [found.passage(n)["id"] for n in range(12)] == list(HANDBOOK)
    assert found.passage(1) == {
        "id": "travel",
        "title": "Handbook > Travel",
        "text": HANDBOOK["travel"],
        "page": 1,
        "path": "staff/two.md",
    }
    assert found.passage(0)["page"] is None
    assert found.passage(2)["path"] is None
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_no_passages_are_a_bundle_too(tmp_path: Path):
    make(tmp_path / "bundle", [])
    found = load_bundle(tmp_path / "bundle")
    assert (found.vectors.shape, found.inputs()) == ((0, 26), [])


def test_the_hash_of_the_corpus_tells_any_change(tmp_path: Path):
    first = make(tmp_path / "a").corpus
    assert make(tmp_path / "b").corpus == first
    reordered = make(tmp_path / "c", PASSAGES[::-1]).corpus
    other = make_bundle(tmp_path / "d", PASSAGES, Letters(), model="letters").corpus
    assert len({first, reordered, other}) == 3


def test_a_bundle_takes_the_place_of_an_earlier_one_or_leaves_it_whole(tmp_path: Path):
    make(tmp_path / "bundle", PASSAGES[:3])

    class Breaks(Letters):
        def encode_passages(self, texts: Sequence[str]) -> FloatArray:
            raise RuntimeError("it broke")

    with pytest.raises(RuntimeError, match="it broke"):
        make_bundle(tmp_path / "bundle", PASSAGES, Breaks(), model="letters")
    assert load_bundle(tmp_path / "bundle").facts.n_passages == 3
    make(tmp_path / "bundle")
    assert load_bundle(tmp_path / "bundle").facts.n_passages == 12
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_the_fusion_is_changed_without_embedding_anew(tmp_path: Path):
    facts = make(tmp_path / "bundle")
    update_fusion(tmp_path / "bundle", facts, Fusion("z", 0.7, "chosen anew"))
    found = load_bundle(tmp_path / "bundle")
    assert found.facts.fusion == Fusion("z", 0.7, "chosen anew")
    assert found.facts.corpus == facts.corpus


def of_another_version(folder: Path) -> None:
    saved = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**saved, "format": 99}))


def with_an_odd_fusion(folder: Path) -> None:
    saved = json.loads((folder / "bundle.json").read_text())
    fusion = {"method": "magic", "weight": 0.5, "source": ""}
    (folder / "bundle.json").write_text(json.dumps({**saved, "fusion": fusion}))


def without_passages(folder: Path) -> None:
    (folder / "passages.parquet").unlink()


def with_others_passages(folder: Path) -> None:
    make(folder.parent / "other", PASSAGES[:5])
    (folder.parent / "other" / "passages.parquet").replace(folder / "passages.parquet")


def cut_off(folder: Path) -> None:
    path = folder / "passages.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def no_json(folder: Path) -> None:
    (folder / "bundle.json").write_text("[]")


@pytest.mark.parametrize(
    "spoil",
    [
        of_another_version,
        with_an_odd_fusion,
        without_passages,
        with_others_passages,
        cut_off,
        no_json,
    ],
)
def test_a_damaged_bundle_is_refused_with_the_remedy(tmp_path: Path, spoil: Callable[[Path], None]):
    make(tmp_path / "bundle")
    spoil(tmp_path / "bundle")
    with pytest.raises(UsageError, match=r"cannot be read.*Delete that folder"):
        load_bundle(tmp_path / "bundle")


def test_where_there_is_none_that_is_said(tmp_path: Path):
    assert read_facts(tmp_path) is None
    with pytest.raises(UsageError, match="There is no bundle"):
        load_bundle(tmp_path)
