"""Maps of question vectors on disk and over an encoder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from homing.errors import ModelNotFoundError, UsageError
from homing.retrieval.adapted import AdaptedEncoder
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.query_map import (
    ARRAYS,
    FACTS,
    Adapter,
    QueryMap,
    identity,
    is_adapter,
    load_adapter,
    save_adapter,
)
from homing.types import Encoder
from homing.vectors import normalised

D, R = 6, 2
RANDOM = np.random.default_rng(0)
QUESTIONS = normalised(RANDOM.standard_normal((5, D)))


def drawn(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


OUTER, INNER, BIAS = drawn(D, R), drawn(R, D), drawn(R)
MAPS = {
    "linear": QueryMap("linear", {"matrix": drawn(D, D)}),
    "low-rank": QueryMap(
        "low-rank",
        {"matrix": np.eye(D, dtype=np.float32) + OUTER @ INNER, "outer": OUTER, "inner": INNER},
    ),
    "two-layer": QueryMap("two-layer", {"outer": OUTER, "inner": INNER, "bias": BIAS}),
}


class Lines:
    """An encoder that looks vectors up by the number that a text is."""

    key, dimensions = "lines", D

    def encode_queries(self, texts):
        return QUESTIONS[[int(text) for text in texts]]

    encode_passages = encode_queries


@pytest.mark.parametrize("kind", MAPS)
def test_what_is_saved_comes_back_and_numpy_alone_applies_it(kind: str, tmp_path: Path) -> None:
    query_map = MAPS[kind]
    save_adapter(Adapter(query_map, "openai:small"), tmp_path)
    adapter = load_adapter(tmp_path)
    assert (adapter.base_model, adapter.map.kind) == ("openai:small", kind)
    assert adapter.map.dimensions == D
    mapped = query_map.apply(QUESTIONS)
    np.testing.assert_array_equal(adapter.map.apply(QUESTIONS), mapped)
    assert mapped.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), 1, atol=1e-6)
    saved = np.load(tmp_path / ARRAYS)
    for query, expected in zip(QUESTIONS, mapped, strict=True):
        if kind == "two-layer":
            hidden = np.maximum(saved["inner"] @ query + saved["bias"], 0)
            query = query + saved["outer"] @ hidden
        else:
            query = saved["matrix"] @ query
        np.testing.assert_allclose(query / np.linalg.norm(query), expected, atol=1e-6)


def test_equal_maps_are_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_adapter(Adapter(MAPS["low-rank"], "m"), tmp_path / name)
    for file in (ARRAYS, FACTS):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    facts = json.loads((tmp_path / "a" / FACTS).read_text())
    assert facts == {"base_model": "m", "kind": "low-rank", "dimensions": D, "rank": R}


def test_the_identity_changes_nothing() -> None:
    np.testing.assert_allclose(identity(D).apply(QUESTIONS), QUESTIONS, atol=1e-7)


def test_an_adapted_encoder_maps_questions_and_leaves_passages() -> None:
    adapted = AdaptedEncoder(Lines(), Adapter(MAPS["linear"], "lines"))
    assert isinstance(adapted, Encoder)
    np.testing.assert_array_equal(adapted.encode_passages(["1", "4"]), QUESTIONS[[1, 4]])
    expected = MAPS["linear"].apply(QUESTIONS[[1, 4]])
    np.testing.assert_array_equal(adapted.encode_queries(["1", "4"]), expected)


def test_keys_tell_maps_apart_and_passages_are_shared(tmp_path: Path) -> None:
    adapted = [AdaptedEncoder(Lines(), Adapter(m, "lines")) for m in MAPS.values()]
    assert len({encoder.key for encoder in adapted} | {Lines.key}) == 4
    assert {encoder.passage_key for encoder in adapted} == {Lines.key}
    CachedEncoder(Lines(), tmp_path).encode_passages(["1", "2"])

    class Silent(Lines):
        def encode_passages(self, texts):
            raise AssertionError("embedded again")

    again = CachedEncoder(AdaptedEncoder(Silent(), Adapter(MAPS["linear"], "lines")), tmp_path)
    np.testing.assert_array_equal(again.encode_passages(["2", "1"]), QUESTIONS[[2, 1]])


def test_vectors_of_another_length_are_refused_with_the_model_named() -> None:
    with pytest.raises(UsageError, match=r"made for openai:small.* 7 dimensions; these have 6"):
        AdaptedEncoder(Lines(), Adapter(identity(7), "openai:small"))


def test_a_folder_without_an_adapter_says_how_to_make_one(tmp_path: Path) -> None:
    assert not is_adapter(tmp_path)
    with pytest.raises(ModelNotFoundError, match="--recipe adapter"):
        load_adapter(tmp_path)


@pytest.mark.parametrize("damage", ["kind", "json", "missing", "cut", "shape"])
def test_damaged_files_are_told_of_and_nothing_is_guessed(damage: str, tmp_path: Path) -> None:
    save_adapter(Adapter(MAPS["two-layer"], "m"), tmp_path)
    if damage == "kind":
        text = (tmp_path / FACTS).read_text().replace("two-layer", "three-layer")
        (tmp_path / FACTS).write_text(text)
    elif damage == "json":
        (tmp_path / FACTS).write_text("{")
    elif damage == "missing":
        (tmp_path / ARRAYS).unlink()
    elif damage == "cut":
        raw = (tmp_path / ARRAYS).read_bytes()
        (tmp_path / ARRAYS).write_bytes(raw[: len(raw) // 2])
    else:
        np.savez(tmp_path / ARRAYS, outer=OUTER, inner=INNER, bias=np.zeros(R + 1))
    with pytest.raises(ModelNotFoundError, match="cannot be read"):
        load_adapter(tmp_path)
