"""Kept vectors that stay on disk: found again, added to, and never taken for others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from homing.retrieval.cache import CachedEncoder
from homing.retrieval.streamed_cache import PARTS_IN_MEMORY, StreamedCache
from homing.types import FloatArray

TEXTS = [f"Rule {number}" for number in range(40)]


class Counting:
    """An encoder that remembers what it was asked for."""

    key = passage_key = "c" * 64
    dimensions = 3

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        return -self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        self.asked += texts
        return np.array([[len(t), hash(t) % 997, 1.0] for t in texts], dtype=np.float32)


def test_what_a_cache_in_memory_kept_is_found_and_the_other_way_round(tmp_path: Path) -> None:
    whole = CachedEncoder(Counting(), tmp_path)
    vectors = whole.encode_passages(TEXTS[:20])
    inner = Counting()
    streamed = StreamedCache(inner, tmp_path)
    np.testing.assert_array_equal(streamed.encode_passages(TEXTS[:20]), vectors)
    assert inner.asked == []
    both = streamed.encode_passages(TEXTS)
    assert inner.asked == TEXTS[20:]
    again = CachedEncoder(last := Counting(), tmp_path)
    np.testing.assert_array_equal(again.encode_passages(TEXTS), both)
    assert last.asked == []


def test_many_parts_are_read_again_as_they_are_wanted(tmp_path: Path) -> None:
    inner = Counting()
    streamed = StreamedCache(inner, tmp_path)
    expected = Counting().encode_passages(TEXTS)
    for start in range(0, 40, 5):
        streamed.encode_passages(TEXTS[start : start + 5])
    np.testing.assert_array_equal(streamed.encode_passages(TEXTS[::-1]), expected[::-1])
    assert len(inner.asked) == len(TEXTS)
    assert len(streamed._open) <= PARTS_IN_MEMORY


def test_questions_are_kept_apart_from_passages_of_the_same_words(tmp_path: Path) -> None:
    streamed = StreamedCache(inner := Counting(), tmp_path)
    np.testing.assert_array_equal(
        streamed.encode_queries(TEXTS[:2]), -streamed.encode_passages(TEXTS[:2])
    )
    assert len(inner.asked) == 4
    StreamedCache(other := Counting(), tmp_path).encode_queries(TEXTS[:2])
    assert other.asked == []


def test_the_same_text_twice_is_embedded_once(tmp_path: Path) -> None:
    streamed = StreamedCache(inner := Counting(), tmp_path)
    assert streamed.encode_passages(["a", "a", "b"]).shape == (3, 3)
    assert inner.asked == ["a", "b"]


def test_a_damaged_part_is_embedded_anew(tmp_path: Path) -> None:
    CachedEncoder(Counting(), tmp_path).encode_passages(TEXTS[:5])
    (part,) = tmp_path.rglob("part-*.npz")
    whole = part.read_bytes()
    for damaged in (whole[:50], whole[:-200] + b"\0" * 200, whole[: len(whole) // 2]):
        part.write_bytes(damaged)
        streamed = StreamedCache(inner := Counting(), tmp_path)
        assert len(streamed.encode_passages(TEXTS[:5])) == 5
        assert inner.asked == TEXTS[:5]


def test_passages_kept_together_lie_in_one_part_in_their_order(tmp_path: Path) -> None:
    CachedEncoder(Counting(), tmp_path).encode_passages(TEXTS[5:8])
    inner = Counting()
    texts = [*TEXTS[:10], TEXTS[0]]
    path = StreamedCache(inner, tmp_path).keep_together(texts)
    assert inner.asked == [*TEXTS[:5], *TEXTS[8:10]]
    expected = Counting().encode_passages(texts)
    with np.load(path) as part:
        np.testing.assert_array_equal(part["vectors"], expected)
    again = Counting()
    assert StreamedCache(again, tmp_path).keep_together(texts) == path
    np.testing.assert_array_equal(CachedEncoder(again, tmp_path).encode_passages(texts), expected)
    assert again.asked == []


def test_a_damaged_part_of_passages_kept_together_is_made_again(tmp_path: Path) -> None:
    path = StreamedCache(Counting(), tmp_path).keep_together(TEXTS)
    raw = bytearray(path.read_bytes())
    raw[-400] ^= 0xFF
    path.write_bytes(raw)
    inner = Counting()
    assert StreamedCache(inner, tmp_path).keep_together(TEXTS) == path
    assert inner.asked == TEXTS
    with np.load(path) as part:
        np.testing.assert_array_equal(part["vectors"], Counting().encode_passages(TEXTS))
