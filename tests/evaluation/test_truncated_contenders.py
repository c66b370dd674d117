"""Contenders whose vectors are cut: they cost the index, not the embedding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_contender_building import dataset

from handbook_sentences import HANDBOOK
from homing.errors import UsageError
from homing.evaluation.building import Builder, kept_folders
from homing.evaluation.contenders import in_building_order, parse_contenders
from homing.evaluation.costs import index_bytes, without_kept_vectors
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever

pytest.importorskip("sentence_transformers")


def test_a_contender_that_is_cut_shares_the_vectors_of_the_whole_one(
    tiny_model: Path, tmp_path: Path
) -> None:
    contenders = parse_contenders([f"whole={tiny_model}", f"short={tiny_model}?dimensions=8"])
    ordered = in_building_order(contenders)
    builder = Builder(dataset(), ordered, split="test", cache_folder=tmp_path / "vectors")
    for contender in ordered:
        builder.build(contender)
    whole, short = builder.built["whole"], builder.built["short"]
    assert isinstance(whole, DenseRetriever)
    assert isinstance(short, DenseRetriever)
    assert short.vectors.shape == (len(HANDBOOK), 8)
    assert index_bytes(short) == 4 * 8 * len(HANDBOOK)
    whole.scores(["how long is leave"])
    scores = short.scores(["how long is leave"])
    parts = list((tmp_path / "vectors").rglob("part-*.npz"))
    assert len(parts) == 2  # of passages and the question, whole; none that is cut
    assert kept_folders(builder.built.values()) == {parts[0].parent}
    fresh = without_kept_vectors(short)
    assert not isinstance(fresh.encoder.encoder, CachedEncoder)  # type: ignore[attr-defined]
    np.testing.assert_allclose(fresh.scores(["how long is leave"]), scores, atol=1e-6)


def test_more_dimensions_than_there_are_name_the_contender(tiny_model: Path) -> None:
    [contender] = parse_contenders([f"short={tiny_model}?dimensions=64"])
    builder = Builder(dataset(), [contender], split="test")
    with pytest.raises(UsageError, match=r"short=.*64"):
        builder.build(contender)
